"""Headings of tables on the screen: names of columns, and which cell is under which name."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

_WORD = re.compile(r"\S+")
_RULE = re.compile(r"\s{0,20}-{1,60}(?:[ ]{1,4}-{1,60}){1,60}\s*$", re.ASCII)
"""Dashes under each name: names of several words are parted by them."""


class Heading(NamedTuple):
    """The names of the columns, and where each begins and ends; `ruled` if dashes show it."""

    names: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    ruled: bool = False

    def cells(self, text: str) -> dict[str, str] | None:
        """Returns the cells of a row by name; None where some belong to no column.

        A row may leave cells blank. Then the others must begin where their names do, or lie above
        the dashes of one column each.
        """
        found = list(_WORD.finditer(text))
        if len(found) == len(self.names):
            return {name: cell[0] for name, cell in zip(self.names, found, strict=True)}
        columns = [self._column(cell.start(), cell.end()) for cell in found]
        placed = dict(zip(columns, (cell[0] for cell in found), strict=True))
        if None in placed or len(placed) < len(found) or len(found) > len(self.names):
            return None
        return {self.names[column]: cell for column, cell in placed.items() if column is not None}

    def _column(self, start: int, end: int) -> int | None:
        """The column of a cell; None where it is not under one name."""
        if not self.ruled:
            return next((i for i, span in enumerate(self.spans) if span[0] == start), None)
        under = [i for i, (a, b) in enumerate(self.spans) if start < b and end > a]
        return under[0] if len(under) == 1 else None


def heading(text: str) -> Heading:
    """Returns the heading of names that are one word each.

    >>> heading("epoch  loss").spans
    ((0, 5), (7, 11))
    """
    words = list(_WORD.finditer(text))
    return Heading(tuple(word[0] for word in words), tuple(word.span() for word in words))


def ruled(text: str, rule: str) -> Heading | None:
    """Returns the heading above dashes; None without dashes, or if a name is missing.

    >>> ruled("E    #       LOSS NER", "---  ------  --------").names
    ('E', '#', 'LOSS_NER')
    """
    if not _RULE.match(rule):
        return None
    spans = tuple(word.span() for word in _WORD.finditer(rule))
    names = tuple("_".join(text[a:b].split()) for a, b in spans)
    outside = "".join(text[a:b] for (_, a), (b, _) in pairwise(spans))
    unique = len(set(names)) == len(names) and all(names)
    return Heading(names, spans, ruled=True) if unique and not outside.strip() else None
