"""The content of a log: on a screen, as JSON, and as a table in CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from harness.log.run import Run, Series
from harness.log.wording import counted
from harness.report import escape
from harness.report.opening import opening
from harness.report.screen import words
from harness.report.table import listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 10
"""Largest number of notes and of skipped lines on the screen; JSON has all."""
NAMED = 6
"""Series that are named in one note."""
TWO_ABREAST = 110
"""Width of the screen from which on two facts are printed side by side."""
LONGEST = 60


def write(run: Run, console: Console) -> None:
    """Prints a run on one screen: one sentence, facts, series, notes and skipped lines."""
    console.print(words(f"{run.source}: {opening(run)}."))
    size = f", {run.size_bytes:,} bytes, sha256 {run.sha256[:16]}" if run.sha256 else ""
    lines = counted(run.lines, "line") if run.lines else "recorded"
    console.print(words(f"{lines}{size}, read as {', '.join(run.formats)}"))
    if run.facts.named():
        console.print(_facts(run, abreast=2 if console.width >= TWO_ABREAST else 1))
    table = Table(title="Series", title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("series", "rank", "records", "steps", "gaps", "first", "last", "not finite"):
        table.add_column(head, overflow="fold")
    for group in _by_name(run.series):
        table.add_row(*(words(cell) for cell in _row(group)))
    console.print(table)
    if run.read:
        console.print(_reads(run))
    for line in _remarks(run):
        console.print(words(line))


def _facts(run: Run, *, abreast: int) -> Table:
    """Returns the facts with their lines; long values are cut, but complete in JSON."""
    table = Table(title="Facts", title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("fact", "value", "line") * abreast:
        table.add_column(head, overflow="fold")
    unknown = "derived" if run.facts.lines else "-"  # a recording keeps no lines
    cells = [
        (name, _cut(str(value)), str(run.facts.lines.get(name, unknown)))
        for name, value in run.facts.named().items()
    ]
    height = -(-len(cells) // abreast)
    for row in range(height):
        beside = [cells[i] for i in range(row, len(cells), height)]
        table.add_row(*(words(cell) for triple in beside for cell in triple))
    settings = len(run.facts) - len(cells)
    if settings:
        table.caption = (
            f"and {counted(settings, 'setting')} of the config or the arguments; see --json -"
        )
        table.caption_justify = "left"
    return table


def _reads(run: Run) -> Table:
    """Returns the formats that took a line, in the order of asking, with what each took."""
    title = "Formats, in the order in which they were asked for a line"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("format", "asked as", "lines", "records"):
        table.add_column(head, overflow="fold")
    for read in run.read:
        lines = _span(read.first_line, read.last_line)
        table.add_row(*map(words, (read.format, str(read.place), lines, str(read.records))))
    return table


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"


def _by_name(series: Sequence[Series]) -> list[list[Series]]:
    """Returns the series by name, each over all ranks, the loss first."""
    groups: dict[str, list[Series]] = {}
    for s in series:
        groups.setdefault(s.key, []).append(s)
    return sorted(groups.values(), key=lambda group: (group[0].name != "loss", group[0].key))


def _row(group: Sequence[Series]) -> tuple[str, ...]:
    counts = sorted({len(s) for s in group})
    ranks = [s.rank for s in group]
    first, last = min(int(s.steps[0]) for s in group), max(int(s.steps[-1]) for s in group)
    return (
        group[0].key + (f" ({group[0].unit})" if group[0].unit else ""),
        _span(ranks[0], ranks[-1]) if len(ranks) > 1 else str(ranks[0]),
        _span(counts[0], counts[-1]) + (" each" if len(ranks) > 1 else ""),
        _span(first, last),
        str(sum(_gaps(s).size for s in group)),
        f"{group[0].values[0]:.6g}",
        f"{group[0].values[-1]:.6g}",
        str(sum(_not_finite(s) for s in group)),
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _not_finite(series: Series) -> int:
    from numpy import isfinite  # noqa: PLC0415  (kept out of `harness --help`)

    return int((~isfinite(series.values)).sum())


def _gaps(series: Series) -> NDArray[np.int64]:
    """Returns the missing steps between the first and the last, at the logging interval."""
    import numpy as np  # noqa: PLC0415

    apart = np.diff(series.steps)
    if not apart.size:
        return series.steps[:0]
    usual = int(np.median(apart))
    wide = np.flatnonzero(apart > usual)
    if not wide.size:
        return series.steps[:0]
    missing = [
        np.arange(series.steps[i] + usual, series.steps[i + 1], usual)[:MAX_GAP]
        for i in wide.tolist()
    ]
    return np.concatenate(missing)


MAX_GAP = 1_000_000
"""Largest number of missing steps that is counted between two records."""


def _remarks(run: Run) -> list[str]:
    """Returns the first gaps, notes and skipped lines."""
    lines = [f"note: {text}" for text in (*_lacking(run), *run.notes)]
    lines = _first(lines, "more notes; see --json -")
    where = [f"skipped {run.source}:{s.line}: {s.reason}" for s in run.skipped]
    if not where and not run.dropped_count:
        return [*lines, "no line that looks like a record was skipped"]
    return [*lines, *_first(where, "more were skipped; see --json -"), *_dropped(run)]


def _dropped(run: Run) -> list[str]:
    """Returns a sentence on the lines with figures that no format took, and the first ones."""
    count = run.dropped_count
    if not count:
        return []
    states = "states" if count == 1 else "state"
    first = [f"{run.source}:{s.line}: {_cut(s.text)}" for s in run.dropped]
    return [
        f"{counted(count, 'line')} behind the first record {states} figures that no format reads, "
        f"such as:",
        *first,
    ]


def _lacking(run: Run) -> list[str]:
    """Returns a sentence for each set of missing steps, with the series that lack them."""
    lacking: dict[bytes, list[Series]] = {}
    missing: dict[bytes, NDArray[np.int64]] = {}
    for s in run.series:
        gaps = _gaps(s)
        if gaps.size:
            lacking.setdefault(gaps.tobytes(), []).append(s)
            missing[gaps.tobytes()] = gaps
    return [
        f"{_series(group)} {'lacks' if len(group) == 1 else 'lack'} "
        f"{counted(missing[key].size, 'step')}: {listed(missing[key])}"
        for key, group in lacking.items()
    ]


def _series(group: Sequence[Series]) -> str:
    """Returns the names of series and their ranks; of many names, the first and their number."""
    names = list(dict.fromkeys(s.key for s in group))
    ranks = sorted({s.rank for s in group})
    more = len(names) - NAMED
    if more > 0:
        shown = f"{', '.join(names[:NAMED])} and {more} more"
    else:
        shown = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    of = f"rank {ranks[0]}" if len(ranks) == 1 else f"{len(ranks)} ranks"
    return f"{shown} of {of}"


def _first(lines: list[str], rest: str) -> list[str]:
    more = [f"{len(lines) - SHOWN} {rest}"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]


def to_csv(runs: Sequence[Run]) -> str:
    """Returns all records as a tidy table: rank, step, name, value, and the run if several.

    Floats are written by `repr`, which keeps all bits. Names are escaped for CSV: a name that a
    spreadsheet would read as a formula gets a leading apostrophe.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    several = len(runs) > 1
    table.writerow([*(["run"] if several else []), "rank", "step", "name", "value"])
    for index, run in enumerate(runs):
        for s in run.series:
            which, name = ([index] if several else []), escape.csv_cell(s.key)
            pairs = zip(s.steps.tolist(), s.values.tolist(), strict=True)
            table.writerows([*which, s.rank, step, name, repr(value)] for step, value in pairs)
    return out.getvalue()


def render_json(*runs: Run) -> str:
    """Returns facts, ranges of series, notes and skipped lines as JSON; a list for several runs."""
    documents = [_document(run) for run in runs]
    content = documents[0] if len(documents) == 1 else documents
    return escape.json(content) + "\n"


def _document(run: Run) -> dict[str, Any]:
    return {
        "path": run.source,
        "sha256": run.sha256,
        "size_bytes": run.size_bytes,
        "lines": run.lines,
        "formats": list(run.formats),
        "read": [
            {
                "format": read.format,
                "asked_as": read.place,
                "first_line": read.first_line,
                "last_line": read.last_line,
                "records": read.records,
            }
            for read in run.read
        ],
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
                "gaps": int(_gaps(s).size),
                "not_finite": _not_finite(s),
            }
            for s in run.series
        ],
        "replaced": [
            {"name": s.name, "rank": s.rank, "window": s.window, "records": len(s)}
            for s in run.replaced
        ],
        "skipped": [{"line": s.line, "reason": s.reason, "text": s.text} for s in run.skipped],
        "dropped": {
            "lines": run.dropped_count,
            "first": [{"line": s.line, "text": s.text} for s in run.dropped],
        },
        "notes": list(run.notes),
    }
