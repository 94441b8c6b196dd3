"""The tables of `harness history`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.comparison.flaky import flakiness
from harness.comparison.trend import Change, Entry
from harness.log.wording import counted
from harness.report import sparkline
from harness.report.ports.oneline import percent
from harness.report.ports.trend import short
from harness.report.table import Table

DROPPED_FIRST = (
    "tool",
    "flaky",
    "rules",
    "time",
    "coverage",
    "checks",
    "last check",
    "commit",
    "changed",
    "trend",
)
"""Columns in the order in which a narrow screen drops them."""
CURVE = 30


def of_port(history: Sequence[Entry], changes: Sequence[Change], *, first: int = 0) -> Table:
    """Returns the checks from index `first` on, the oldest first; `>` marks a change."""
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
    """Returns a row per port: newest result, trend of the last checks, and newest change."""
    rows = []
    for port, history in histories.items():
        flaky = flakiness(history)
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
                f"{flaky.flaky} of {counted(flaky.commits, 'commit')}" if flaky.flaky else "-",
                *(changed or ["-"]),
            )
        )
    head = ("port", "verdict", "difference", "trend", "checks", "last check", "flaky", "changed")
    return Table(title="Ports over time (UTC)", head=head, rows=tuple(rows))


def fitted(table: Table, width: int) -> Table:
    """Returns the table without the columns that do not fit a screen of this width."""
    for name in DROPPED_FIRST:
        if natural_width(table) <= width:
            break
        if name in table.head:
            table = _without(table, table.head.index(name))
    return table


def natural_width(table: Table) -> int:
    """Returns the width of the table in characters, as rich pads it: three per column and one."""
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
