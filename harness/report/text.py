"""The report for a terminal: rich tables, plain text when piped."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from harness.comparison import Comparison
from harness.report import sparkline, tables
from harness.report.escape import no_command, terminal
from harness.results import qualifier
from harness.shown import printable

PIPED_WIDTH = 120
CURVE_WIDTH = 100
QUALIFIED = "cyan"
"""The colour of a pass that is not a full one."""
COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "incomparable": "magenta"}


def render(comparison: Comparison) -> RenderableType:
    """The report as something rich can print. No markup is read from the log's own text."""
    verdict = str(comparison.verdict)
    colour = QUALIFIED if qualifier(comparison) else COLOURS[verdict]
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
        named = tables.legend(comparison)
        parts += [words(f"{name} is {what}") for name, what in named.items()]
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


class Screen(Console):
    """A console on which text of a log is text: no control, no markup, no command of a CI system.

    Nothing is highlighted. Its file is guarded, since a long line may be broken before a `::`.
    """

    def __init__(self, file: IO[str] | None = None, **options: Any) -> None:
        guarded = cast("IO[str]", Guarded(sys.stdout if file is None else file))
        if not re.fullmatch("[0-9]{1,5}", os.environ.get("COLUMNS", "0")):  # rich would raise
            options["_environ"] = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        super().__init__(file=guarded, highlight=False, markup=False, emoji=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Rich's hook: every piece of text passes here, the cells of tables included."""
        for piece in super().render(renderable, options):
            if piece.control:
                yield piece
            else:
                yield Segment("\n".join(map(printable, piece.text.split("\n"))), piece.style)


class Guarded:
    """A text stream in which no line is a command of a CI system; the rest is the stream's."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes whole lines, as rich does."""
        return self._stream.write(no_command(text))


def console() -> Screen:
    """Standard output: as wide as the terminal; where there is none, plain and 120 columns.

    The variable COLUMNS asks for more than those 120.
    """
    out = Screen()
    if out.is_terminal:
        return out
    columns = os.environ.get("COLUMNS", "")
    asked = int(columns) if re.fullmatch("[0-9]{1,5}", columns) else 0
    return Screen(width=max(PIPED_WIDTH, asked))


def words(text: str, style: str = "") -> Text:
    """Text of others as rich's, in one line."""
    return Text(terminal(text), style=style)


def write(comparison: Comparison, to: Console) -> None:
    """Prints the report."""
    to.print(render(comparison))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide:
    """A table of many narrow columns: as many tables below each other as the screen asks for.

    Each has the first column, whole, and no word of a heading is broken.
    """

    content: tables.Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's hook: the width is known only now."""
        content = self.content
        heads = (content.head[0], *map(_stacked, content.head[1:]))
        columns = list(zip(heads, *content.rows, strict=True))
        first, *others = (
            max(len(line) for cell in column for line in cell.split("\n")) for column in columns
        )
        parts: list[list[int]] = [[]]
        room = options.max_width - first - PADDING
        for index, width in enumerate(others, 1):
            taken = sum(others[i - 1] + PADDING for i in parts[-1])
            if parts[-1] and taken + width + PADDING > room:
                parts.append([])
            parts[-1].append(index)
        for part in parts:
            kept = [columns[i] for i in (0, *part)]
            head, *rows = zip(*kept, strict=True)
            yield _table(replace(content, head=head, rows=tuple(rows)), wide=True)


PADDING = 2
HEADING = 8


def _stacked(heading: str) -> str:
    """A heading on several lines, without breaking a word."""
    shown = terminal(heading)
    width = max(HEADING, *map(len, shown.split()), 1)
    return "\n".join(textwrap.wrap(shown, width, break_on_hyphens=False)) or shown


def lay_out(content: tables.Table, *, wide: bool = False) -> RichTable | Wide:
    """A titled table as rich draws it; cells are text, never markup.

    One that is `wide` has many narrow columns beside the first, which is kept whole.
    """
    return Wide(content=content) if wide else _table(content)


def _table(content: tables.Table, *, wide: bool = False) -> RichTable:
    table = RichTable(
        title=words(content.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        collapse_padding=wide,
        pad_edge=not wide,
    )
    for i, name in enumerate(content.head):
        table.add_column(_lines(name), overflow="fold", no_wrap=wide and not i)
    for row in content.rows:
        table.add_row(*map(_lines, row))
    return table


def _lines(cell: str) -> Text:
    """A cell, whose lines are our own."""
    return Text("\n".join(map(terminal, cell.split("\n"))))


def _list(title: str, lines: list[str] | tuple[str, ...]) -> Group:
    return Group(Text(title, style="bold"), *(words(f"- {line}") for line in lines), Text(""))
