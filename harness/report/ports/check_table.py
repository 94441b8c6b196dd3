"""The table of `harness check`: a row per port, with as many columns as fit the width."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.comparison.result import ERROR, PortResult
from harness.comparison.standing import remark
from harness.report import sparkline, verdicts
from harness.report.ports.oneline import counts, percent
from harness.report.screen import words
from harness.rules import Verdict

CURVE = 24
"""Characters of a small curve."""
COLUMNS = (
    ("port", 0),
    ("verdict", 0),
    ("difference", 60),
    ("rules", 78),
    ("coverage", 90),
    ("steps", 100),
    ("baseline over candidate", 110),
)
"""Every column with the width of the screen below which it is left out."""


def write(results: Sequence[PortResult], console: Console) -> None:
    """Prints the table, then the reasons of every port that did not pass."""
    table = Table(box=box.SIMPLE_HEAD)
    shown = [name for name, width in COLUMNS if console.width >= width]
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=name == "baseline over candidate")
    marks = sparkline.levels(console.encoding)
    for result in results:
        cells = _cells(result, marks)
        table.add_row(*(cells[name] for name in shown))
    console.print(table)
    for result in results:
        for line in reasons(result):
            console.print(words(f"{result.port}: {line}"))
    console.print(Text(counts(results)))


def reasons(result: PortResult) -> tuple[str, ...]:
    """Returns why a port did not pass, the headline first, or what limits its pass."""
    terms = remark(result)
    first = (terms,) if terms else ()
    if result.verdict == Verdict.PASS:
        return (*first, *([f"pass, but {result.qualifier}"] if result.qualifier else []))
    headline = verdicts.row(result.verdict).headline
    return (*first, *([headline] if headline else []), *result.reasons)


def _cells(result: PortResult, marks: str) -> dict[str, Text]:
    rules = ", ".join(f"{r.rule} {r.verdict}" for r in result.rules)
    curves = sparkline.sparklines(
        result.baseline_curve, result.candidate_curve, width=CURVE, marks=marks
    )
    judged = result.verdict != ERROR
    colour = verdicts.terminal_colour(result.verdict, qualified=bool(result.qualifier))
    return {
        "port": words(result.port),
        "verdict": words(result.marked, f"bold {colour}"),
        "difference": Text(percent(result.relative_difference)),
        "rules": words(rules or ("not run" if judged else "")),
        "coverage": Text("" if result.coverage is None else f"{result.coverage:.1%}"),
        "steps": Text(str(result.steps) if judged else ""),
        "baseline over candidate": Text("\n".join(curves) if any(curves) else ""),
    }
