"""What one log says, on a screen and as JSON."""

from __future__ import annotations

import json

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.curve import Run, Series

SHOWN = 10


def write(run: Run, console: Console) -> None:
    """Prints facts with their lines, series with their range, and what was skipped."""
    size = f", {run.size_bytes} bytes, sha256 {run.sha256[:16]}" if run.sha256 else ""
    lines = f"{run.lines} lines" if run.lines else "recorded"
    console.print(Text(f"{run.source}: {lines}{size}, read as {', '.join(run.formats)}"))
    facts = Table(title="Facts", title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("fact", "value", "line"):
        facts.add_column(head, overflow="fold")
    for name, value in run.facts.named().items():
        facts.add_row(Text(name), Text(str(value)), str(run.facts.lines.get(name, "derived")))
    console.print(facts)
    series = Table(title="Series", title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("series", "rank", "records", "steps", "first", "last", "not finite"):
        series.add_column(head, overflow="fold")
    for one in run.series:
        series.add_row(*_series_row(one))
    console.print(series)
    for note in run.notes:
        console.print(Text(f"note: {note}"))
    for skipped in run.skipped[:SHOWN]:
        console.print(Text(f"skipped {run.source}:{skipped.line}: {skipped.reason}"))
    if len(run.skipped) > SHOWN:
        console.print(Text(f"{len(run.skipped) - SHOWN} more were skipped; see --json -"))
    if not run.skipped:
        console.print(Text("nothing that looks like a record was skipped"))


def _series_row(series: Series) -> tuple[Text, ...]:
    from numpy import count_nonzero, isfinite  # noqa: PLC0415  (kept out of `harness --help`)

    cells = (
        series.key + (f" ({series.unit})" if series.unit else ""),
        str(series.rank),
        str(len(series)),
        f"{series.steps[0]} to {series.steps[-1]}",
        f"{series.values[0]:.6g}",
        f"{series.values[-1]:.6g}",
        str(count_nonzero(~isfinite(series.values))),
    )
    return tuple(Text(cell) for cell in cells)


def render_json(run: Run) -> str:
    """Facts, the range of every series, notes and skipped lines as JSON."""
    document = {
        "path": run.source,
        "sha256": run.sha256,
        "size_bytes": run.size_bytes,
        "lines": run.lines,
        "formats": list(run.formats),
        "facts": run.facts.named(),
        "fact_lines": dict(run.facts.lines),
        "series": [
            {
                "name": s.name,
                "rank": s.rank,
                "window": s.window,
                "unit": s.unit,
                "records": len(s),
                "first_step": int(s.steps[0]),
                "last_step": int(s.steps[-1]),
            }
            for s in run.series
        ],
        "skipped": [{"line": s.line, "reason": s.reason, "text": s.text} for s in run.skipped],
        "notes": list(run.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
