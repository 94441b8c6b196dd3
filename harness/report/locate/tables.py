"""The content of a report on a located fault as words and tables, which the writers lay out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.locate.result import Located, Mode, Row, Stage, State
from harness.locate.stages import title
from harness.log.wording import counted
from harness.report import verdicts
from harness.report.table import Table

WORDS: dict[State, str] = {
    "healthy": "agrees",
    "wrong": "differs first",
    "inherited": "differs with its inputs",
    "hidden": "zero on both sides",
    "unjudged": "not judged",
}
"""What each state is called in a comparison of two captures."""
OF_REPLAY: dict[State, str] = {
    **WORDS,
    "healthy": "agrees with the CPU",
    "wrong": "wrong",
    "hidden": "zero, as an input is",
}
"""What each state is called in a replay, in which nothing inherits."""
FIRST = {"twin": "What differs first", "replay": "Wrong operators"}
"""The title of the culprits, by mode."""
TOP = 10
"""Culprits that a table shows, unless asked for more."""


def words_of(mode: Mode) -> dict[State, str]:
    """Returns what each state is called in a mode."""
    return OF_REPLAY if mode == "replay" else WORDS


def culprits_table(located: Located, *, top: int = TOP) -> Table:
    """Returns the table of culprits, the most likely first."""
    rows = tuple(
        (
            str(place),
            title(row) if row.kind in {"operator", "module"} else f"{row.kind} {title(row)}",
            where(row),
            *_figures(row),
            row.source or "-",
            "; ".join(part for part in (row.note, row.bundle and f"bundle: {row.bundle}") if part)
            or "-",
        )
        for place, row in enumerate(located.culprits[:top], 1)
    )
    more = len(located.culprits) - len(rows)
    return Table(
        title=FIRST[located.mode] + (f" ({counted(more, 'more row')} not shown)" if more else ""),
        head=("", "tensor", "where", "error", "limit", "error / limit", "line", "remark"),
        rows=rows,
    )


def _figures(row: Row) -> tuple[str, str, str]:
    """Returns error, limit and their ratio; one side alone has no error."""
    if row.evidence == "operators" and not row.limit:
        return "-", "-", "-"
    return figure(row.error), figure(row.limit), times(row.ratio)


def stages_table(located: Located) -> Table:
    """Returns the table of the stages of each step, each with its worst tensor."""
    return Table(
        title="Stages",
        head=("step", "stage", "tensors", "worst", "error", "limit", "error / limit", "result"),
        rows=tuple(stage_row(stage) for stage in located.stages),
    )


def stage_row(stage: Stage) -> tuple[str, ...]:
    """Returns the cells of a stage."""
    return (
        str(stage.step),
        stage.name,
        f"{stage.count:,}",
        stage.worst,
        figure(stage.error),
        figure(stage.limit),
        times(stage_ratio(stage)),
        WORDS[stage.state],
    )


def stage_ratio(stage: Stage) -> float:
    """Returns the error of a stage's worst tensor over its limit."""
    if stage.limit > 0:
        return stage.error / stage.limit if math.isfinite(stage.limit) else 0.0
    return math.inf if stage.error > 0 else 0.0


def sides_table(located: Located) -> Table:
    """Returns the table of the facts of the sides."""
    names = ("baseline", "candidate") if len(located.sides) > 1 else ("device",)
    facts = sorted({fact for side in located.sides for fact, value in side.items() if value})
    rows = tuple(
        (fact, *(side.get(fact) or "not stated" for side in located.sides)) for fact in facts
    )
    return Table(title="Sides", head=("fact", *names), rows=rows)


def counts(rows: Sequence[Row], mode: Mode) -> list[tuple[str, int]]:
    """Returns how many rows have each state, in words; states without a row are left out."""
    words = words_of(mode)
    found = [(words[state], sum(row.state == state for row in rows)) for state in words]
    return [(word, number) for word, number in found if number]


def where(row: Row) -> str:
    """Returns step, pass and call of a row."""
    call = f", call {row.call + 1}" if row.call else ""
    of_pass = f", {row.phase}" if row.kind in {"operator", "module"} else ""
    return f"step {row.step}{of_pass}{call}"


def figure(value: float) -> str:
    """Returns an error or a limit.

    >>> figure(1.234e-5), figure(math.inf), figure(0.0)
    ('1.2e-05', 'not finite', '0')
    """
    return f"{value:.2g}" if math.isfinite(value) else "not finite"


def times(ratio: float) -> str:
    """Returns an error in units of its limit.

    >>> times(0.034), times(12.3), times(45678.0), times(math.inf)
    ('0.03', '12', '4.6e+04', '∞')
    """
    if math.isinf(ratio):
        return "∞"
    if math.isnan(ratio):
        return "-"
    return f"{ratio:.2f}" if ratio < 10 else (f"{ratio:.0f}" if ratio < 1e4 else f"{ratio:.1e}")


def exit_status(located: Located) -> int:
    """Returns the exit status of a result."""
    return verdicts.row(located.outcome).exit_status
