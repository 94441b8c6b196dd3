"""Output to a terminal: text and tables drawn by rich, plain text in a pipe."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from harness.log.shown import printable
from harness.report.escape import no_command, terminal
from harness.report.table import Table

PIPED_WIDTH = 120
PADDING = 2
HEADING = 8


class Screen(Console):
    """A console that prints text of a log literally: no control, markup or CI command works.

    Nothing is highlighted. The file is guarded too, because rich may break a line before a `::`.
    """

    def __init__(self, file: IO[str] | None = None, **options: Any) -> None:
        guarded = cast("IO[str]", Guarded(sys.stdout if file is None else file))
        if not re.fullmatch("[0-9]{1,5}", os.environ.get("COLUMNS", "0")):  # rich would raise
            options["_environ"] = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        super().__init__(file=guarded, highlight=False, markup=False, emoji=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yields printable segments; rich passes all text through here, also cells of tables."""
        for piece in super().render(renderable, options):
            if piece.control:
                yield piece
            else:
                yield Segment("\n".join(map(printable, piece.text.split("\n"))), piece.style)


class Guarded:
    """A text stream that never writes a command of a CI system."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes whole lines, as rich does."""
        return self._stream.write(no_command(text))


def console() -> Screen:
    """Returns standard output, as wide as the terminal, or plain and 120 columns without one.

    The environment variable COLUMNS can widen the latter.
    """
    out = Screen()
    if out.is_terminal:
        return out
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if re.fullmatch("[0-9]{1,5}", columns) else 0
    return Screen(width=max(PIPED_WIDTH, width))


def words(text: str, style: str = "") -> Text:
    """Returns foreign text as one line of rich's text."""
    return Text(terminal(text), style=style)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide:
    """A table of many narrow columns, split into tables that fit the width of the screen.

    Each table repeats the first column. No word of a heading is broken.
    """

    content: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the tables for a screen, whose width rich knows only now."""
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


def _stacked(heading: str) -> str:
    """Returns a heading on several lines, without breaking a word."""
    shown = terminal(heading)
    width = max(HEADING, *map(len, shown.split()), 1)
    return "\n".join(textwrap.wrap(shown, width, break_on_hyphens=False)) or shown


def lay_out(content: Table, *, wide: bool = False) -> RichTable | Wide:
    """Returns a titled table for rich; cells are text, never markup.

    A `wide` table has many narrow columns; its first column is never broken.
    """
    return Wide(content=content) if wide else _table(content)


def _table(content: Table, *, wide: bool = False) -> RichTable:
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
    """Returns a cell; its line breaks are ours, its text is foreign."""
    return Text("\n".join(map(terminal, cell.split("\n"))))
