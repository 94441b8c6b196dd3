"""The table of `harness check`: one line a port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.comparison import Comparison
from harness.report.tables import headline
from harness.report.text import COLOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one port: a comparison, or the error that prevented it."""

    port: str
    comparison: Comparison | None = None
    error: str = ""


def write(outcomes: Sequence[Outcome], console: Console) -> None:
    """Prints the table, then the reasons of every port that did not pass."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("port", "verdict", "rules", "steps", "coverage"):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    console.print(table)
    for outcome in outcomes:
        for line in _reasons(outcome):
            console.print(Text(f"{outcome.port}: {line}"))
    console.print(Text(summary(outcomes)))


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line that counts the verdicts."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        word = str(outcome.comparison.verdict) if outcome.comparison else "error"
        counts[word] = counts.get(word, 0) + 1
    return f"{len(outcomes)} port(s): " + ", ".join(f"{n} {word}" for word, n in counts.items())


def _row(outcome: Outcome) -> tuple[Text, ...]:
    if outcome.comparison is None:
        return (Text(outcome.port), Text("error", style="bold red"), Text(""), Text(""), Text(""))
    comparison = outcome.comparison
    verdict = str(comparison.verdict)
    rules = ", ".join(f"{f.rule} {f.verdict}" for f in comparison.judgement.findings)
    return (
        Text(outcome.port),
        Text(verdict, style=f"bold {COLOURS[verdict]}"),
        Text(rules or "not asked"),
        Text(str(comparison.aligned.steps.size)),
        Text(f"{comparison.whole.coverage:.1%}"),
    )


def _reasons(outcome: Outcome) -> tuple[str, ...]:
    if outcome.comparison is None:
        return (outcome.error,)
    if str(outcome.comparison.verdict) == "pass":
        return ()
    return (headline(outcome.comparison), *outcome.comparison.judgement.reasons)
