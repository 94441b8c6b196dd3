"""The report for a terminal: tables drawn by rich, plain text in a pipe."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.text import Text

from harness.comparison.pipeline import Comparison
from harness.comparison.result import qualifier
from harness.report import sparkline, verdicts
from harness.report.comparison import tables
from harness.report.screen import lay_out, words

CURVE_WIDTH = 100


def render(comparison: Comparison) -> RenderableType:
    """Returns the report for rich, which reads no markup from the text of logs."""
    verdict = str(comparison.verdict)
    colour = verdicts.terminal_colour(verdict, qualified=bool(qualifier(comparison)))
    title = Text(verdict, f"bold {colour}") + words(f": {tables.headline(comparison)}")
    facts = tables.facts_table(comparison)
    parts: list[RenderableType] = [
        Panel(
            Group(title, *(words(f"- {reason}") for reason in tables.reasons(comparison))),
            box=box.ROUNDED,
            border_style=colour,
        ),
        Curves(
            baseline=tuple(comparison.whole.baseline_mean.tolist()),
            candidate=tuple(comparison.whole.candidate_mean.tolist()),
        ),
    ]
    if facts.rows:
        parts.append(lay_out(facts))
    if comparison.judgement.findings:
        parts.append(lay_out(tables.rules_table(comparison)))
        for finding in comparison.judgement.findings:
            parts += [words(line) for line in tables.finding_lines(finding, comparison)]
    parts += [lay_out(tables.errors_table(comparison)), words(f"{tables.ERRORS_NOTE}."), Text("")]
    parts.append(_list("Steps", tables.alignment_lines(comparison)))
    parts.append(_list("Policy", tables.policy_lines(comparison)))
    notes = tables.remarks(comparison)
    if notes:
        parts.append(_list("Notes", notes))
    parts.append(lay_out(tables.inputs_table(comparison)))
    return Group(*parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Both curves as two lines of text on the same scale, as wide as the screen allows."""

    baseline: tuple[float, ...]
    candidate: tuple[float, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the lines for a screen, whose width and encoding rich knows only now."""
        width = min(options.max_width - len("candidate "), CURVE_WIDTH)
        marks = sparkline.levels(console.encoding)
        lines = sparkline.sparklines(self.baseline, self.candidate, width=width, marks=marks)
        for name, line in zip(("baseline", "candidate"), lines, strict=True):
            yield Text(f"{name:9} {line}", no_wrap=True)


def write(comparison: Comparison, to: Console) -> None:
    """Prints the report."""
    to.print(render(comparison))


def _list(title: str, lines: list[str] | tuple[str, ...]) -> Group:
    return Group(Text(title, style="bold"), *(words(f"- {line}") for line in lines), Text(""))
