"""The tables of `harness history`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.comparison.trend import Change, Entry
from harness.report import sparkline
from harness.report.ports.oneline import percent
from harness.report.ports.trend import short
from harness.report.table import Table

DROPPED_FIRST = (
    "tool",
    "rules",
    "time",
    "coverage",
    "runs",
    "last run",
    "commit",
    "changed",
    "trend",
)
"""Columns in the order in which a narrow screen goes without them."""
CURVE = 30


def of_port(history: Sequence[Entry], changes: Sequence[Change], *, first: int = 0) -> Table:
    """The runs from index `first` on, oldest first; `>` marks one where the difference changed."""
    at = {change.at for change in changes}
    rows = tuple(
        _row(entry, mark=">" if i in at else " ") for i, entry in enumerate(history) if i >= first
    )
    head = ("date", "time", "commit", "verdict", "difference", "coverage", "tool", "rules")
    return Table(title=f"History of {history[-1].result.port} (UTC)", head=head, rows=rows)


def overview(
    histories: Mapping[str, Sequence[Entry]],
    changes: Mapping[str, Sequence[Change]],
    *,
    last: int,
    marks: str,
) -> Table:
    """One row a port: the newest result, the difference of the last runs, and the newest change."""
    rows = []
    for port, history in histories.items():
        result = history[-1].result
        differences = [entry.result.relative_difference for entry in history[-last:]]
        (line,) = sparkline.sparklines(differences, width=CURVE, marks=marks)
        changed = [
            f"{history[c.at].when[:10]}: {percent(c.before)} to {percent(c.after)}"
            for c in changes[port][-1:]
        ]
        when = history[-1].when[:16].replace("T", " ")
        rows.append(
            (
                port,
                result.marked,
                percent(result.relative_difference),
                line,
                str(len(history)),
                when,
                *(changed or ["-"]),
            )
        )
    head = ("port", "verdict", "difference", "trend", "runs", "last run", "changed")
    return Table(title="Ports over time (UTC)", head=head, rows=tuple(rows))


def fitted(table: Table, width: int) -> Table:
    """The table without the columns that a screen of this width cannot carry unfolded."""
    for name in DROPPED_FIRST:
        if natural_width(table) <= width:
            break
        if name in table.head:
            table = _without(table, table.head.index(name))
    return table


def natural_width(table: Table) -> int:
    """Characters of the widest row as rich lays it out: three spaces between cells, two outside."""
    columns = zip(table.head, *table.rows, strict=True)
    return sum(max(map(len, column)) + 3 for column in columns) + 1


def _without(table: Table, index: int) -> Table:
    head, *rows = (row[:index] + row[index + 1 :] for row in (table.head, *table.rows))
    return Table(title=table.title, head=head, rows=tuple(rows))


def _row(entry: Entry, *, mark: str) -> tuple[str, ...]:
    result = entry.result
    return (
        f"{mark} {entry.when[:10]}",
        entry.when[11:16],
        short(entry.commit) or "-",
        result.marked,
        percent(result.relative_difference),
        "-" if result.coverage is None else f"{result.coverage:.1%}",
        result.tool_version or "-",
        ", ".join(f"{r.rule} {r.verdict}" for r in result.rules) or "-",
    )
