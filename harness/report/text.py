"""The report for a terminal: rich tables, plain text when piped."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from harness.comparison import Comparison
from harness.report import sparkline, tables

PIPED_WIDTH = 120
CURVE_WIDTH = 100
COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "incomparable": "magenta"}


def render(comparison: Comparison) -> RenderableType:
    """The report as something rich can print. No markup is read from the log's own text."""
    verdict = str(comparison.verdict)
    colour = COLOURS[verdict]
    title = Text.assemble((verdict, f"bold {colour}"), f": {tables.headline(comparison)}")
    facts = tables.facts_table(comparison)
    parts: list[RenderableType] = [
        Panel(
            Group(title, *(Text(f"- {reason}") for reason in comparison.judgement.reasons)),
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
            parts += [Text(line) for line in tables.finding_lines(finding)]
    parts.append(lay_out(tables.errors_table(comparison)))
    parts.append(_list("Steps", tables.alignment_lines(comparison)))
    parts.append(_list("Policy", tables.policy_lines(comparison)))
    notes = tables.remarks(comparison)
    if notes:
        parts.append(_list("Notes", notes))
    parts.append(lay_out(tables.inputs_table(comparison)))
    return Group(*parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Both curves as two lines of text on one scale, as wide as the screen carries."""

    baseline: tuple[float, ...]
    candidate: tuple[float, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's hook: the width and the encoding are known only now."""
        width = min(options.max_width - len("candidate "), CURVE_WIDTH)
        marks = sparkline.levels(console.encoding)
        lines = sparkline.sparklines(self.baseline, self.candidate, width=width, marks=marks)
        for name, line in zip(("baseline", "candidate"), lines, strict=True):
            yield Text(f"{name:9} {line}", no_wrap=True)


def console() -> Console:
    """Standard output: as wide as the terminal, 120 columns and plain where there is none."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def write(comparison: Comparison, to: Console) -> None:
    """Prints the report."""
    to.print(render(comparison))


def lay_out(content: tables.Table, *, wide: bool = False) -> RichTable:
    """A titled table as rich draws it; cells are text, never markup.

    One that is `wide` has many narrow columns beside the first, which is kept whole.
    """
    table = RichTable(
        title=content.title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        collapse_padding=wide,
        pad_edge=not wide,
    )
    for i, name in enumerate(content.head):
        table.add_column(Text(name), overflow="fold", no_wrap=wide and not i)
    for row in content.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _list(title: str, lines: list[str] | tuple[str, ...]) -> Group:
    return Group(Text(title, style="bold"), *(Text(f"- {line}") for line in lines), Text(""))
