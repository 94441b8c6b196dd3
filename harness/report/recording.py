"""What the runs of a recording share and where they differ, on one screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.log.run import Run, Series
from harness.log.shown import shown

SHOWN = 30
"""Largest number of rows in a table; a line counts the rest."""


def write(runs: Sequence[Run], console: Console) -> None:
    """Prints the facts that all runs share, then the differences by run, then the series."""
    facts = [run.facts.named() for run in runs]
    names = list(dict.fromkeys(name for stated in facts for name in stated))
    shared = [n for n in names if all(stated.get(n) == facts[0].get(n) for stated in facts)]
    differ = [name for name in names if name not in shared]
    if shared:
        _print(console, f"Facts of {_all(len(runs))}", ("fact", "value"),
               [(name, str(facts[0][name])) for name in shared])  # fmt: skip
    heads = ("run", "log", *differ)
    rows = [
        (str(i), run.source.partition("/")[2], *(str(run.facts.get(name, "-")) for name in differ))
        for i, run in enumerate(runs)
    ]
    _print(console, "Runs", heads, rows)
    columns = ("series", "ranks", "runs", "records", "steps")
    _print(console, "Series", columns, [_row(group) for group in _groups(runs)])
    console.print(Text("use --all for all facts and series of every run"))


def _all(count: int) -> str:
    return "the run" if count == 1 else f"all {count} runs"


def _groups(runs: Sequence[Run]) -> list[list[tuple[int, Series]]]:
    """Returns the series by name, each with the number of its run, the loss first."""
    groups: dict[str, list[tuple[int, Series]]] = {}
    for number, run in enumerate(runs):
        for series in run.series:
            groups.setdefault(series.key, []).append((number, series))
    return [groups[key] for key in sorted(groups, key=lambda key: (key != "loss", key))]


def _row(group: Sequence[tuple[int, Series]]) -> tuple[str, ...]:
    first = group[0][1]
    counts = [len(series) for _, series in group]
    ends = [int(s.steps[i]) for _, s in group if len(s) for i in (0, -1)]
    ranks = [series.rank for _, series in group]
    return (
        first.key + (f" ({first.unit})" if first.unit else ""),
        _span(min(ranks), max(ranks)),
        str(len({number for number, _ in group})),
        _span(min(counts), max(counts)) + (" each" if len(group) > 1 else ""),
        _span(min(ends), max(ends)) if ends else "none",
    )


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _print(
    console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows[:SHOWN]:
        table.add_row(*(Text(shown(cell)) for cell in row))
    if len(rows) > SHOWN:
        table.caption = f"and {len(rows) - SHOWN} more; see --all"
        table.caption_justify = "left"
    console.print(table)
