"""Records of named values, of a table or of JSON: numbers, words in their place, and gaps.

A table leaves cells blank for two reasons. Rows of training and of validation fill columns of their
own, which says nothing; and pandas writes NaN as an empty cell. The rows before tell them apart: a
row that fills what earlier rows filled but for its loss has lost it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from math import nan
from typing import NamedTuple

from harness.parse.collect import Collector
from harness.parse.names import is_loss, is_validation
from harness.parse.number import json_number, number
from harness.parse.tokens import instead, is_absent, is_spelled

MAX_PATTERNS = 200
"""Different sets of columns that are remembered; a log with more says nothing by a gap."""
MAX_WORD = 40
"""Characters of a word that is a part of what rows are alike in."""
ENOUGH = 2
"""Rows with a column from which on a row without it has a gap."""


class Unread(NamedTuple):
    """A text that is no number and stands for none; `known` if the column held numbers before."""

    name: str
    shown: str
    known: bool


class Rows:
    """The values of one row after the other."""

    def __init__(self) -> None:
        self._numeric: set[str] = set()
        self._seen: Counter[frozenset[str]] = Counter()
        self._place: Hashable = None

    def read(
        self, cells: Mapping[str, object], place: Hashable, text: str, into: Collector
    ) -> tuple[dict[str, float], list[Unread]]:
        """The numbers in a row by name, NaN where one is missing; and texts that are none.

        `place` is the step of the row, with all else that tells rows apart; None for a row of which
        a part is lost, whose gaps say nothing. `text` is its line, for remarks.
        """
        row = _Row(self._numeric)
        for name, value in cells.items():
            row.take(name, value)
        odd = row.odd
        if place is not None:
            odd = {**odd, **{name: row.blank.get(name) for name in self._gaps(row, place)}}
        self._numeric.update(row.values)  # `|=` of keys would make a new set
        for name, was in odd.items():
            value = nan if was is None or is_absent(was) else instead(was)
            row.values[name] = nan if value is None else value
            into.odd(name, was, row.values[name], text)
        return row.values, row.unread

    def _gaps(self, row: _Row, place: Hashable) -> list[str]:
        """The columns whose value is missing in a row."""
        pattern = row.pattern()
        again, self._place = place == self._place, place
        if pattern in self._seen and not any(map(is_loss, row.blank)):
            self._seen[pattern] += 1
            return []
        gaps = [n for n in self._lost(pattern, row) if not again or n in row.blank]
        if not gaps and (pattern in self._seen or len(self._seen) < MAX_PATTERNS):
            self._seen[pattern] += 1
        return gaps

    def _lost(self, pattern: frozenset[str], row: _Row) -> Iterator[str]:
        wider = [
            (n, other)
            for other, n in self._seen.items()
            if pattern < other and other - pattern <= self._numeric
        ]
        if not wider:
            return
        n, usual = max(wider, key=lambda found: (found[0], -len(found[1])))
        kinds = {is_validation(name) for name in pattern & self._numeric}
        before = self._seen[pattern]  # a first row may lack its loss, as later ones do
        enough = max(ENOUGH, ENOUGH * before + 1)
        for name in sorted(usual - pattern):
            stated = name in row.blank  # left blank, where others leave the name out
            sure = stated and is_loss(name) if before else stated or not is_validation(name)
            if n >= enough and sure and (not kinds or is_validation(name) in kinds):
                yield name


class _Row:
    """One row, sorted: its numbers, words in their place, blanks, and what else there is."""

    def __init__(self, numeric: set[str]) -> None:
        self._numeric = numeric
        self.values: dict[str, float] = {}
        self.odd: dict[str, str | None] = {}
        self.blank: dict[str, str | None] = {}
        self.unread: list[Unread] = []
        self._marks: set[str] = set()

    def take(self, name: str, value: object) -> None:
        """Sorts one value in."""
        figure = json_number(value)
        if figure is not None:
            self.values[name] = figure
        elif value is None:
            self.blank[name] = "null"
        elif isinstance(value, str):
            self._text(name, value.strip())
        elif name in self._numeric:
            self.odd[name] = str(value)
        else:
            self._word(name, str(value))

    def _text(self, name: str, text: str) -> None:
        value = number(text)
        if value is not None and not is_spelled(text):
            self.values[name] = value
        elif is_absent(text):
            self.blank[name] = text
        elif is_spelled(text) and (name in self._numeric or is_loss(name) or value is not None):
            self.odd[name] = text
        else:
            self._word(name, text)

    def _word(self, name: str, text: str) -> None:
        if name in self._numeric and instead(text) is not None:
            self.odd[name] = text
            return
        self.unread.append(Unread(name, text, name in self._numeric))
        plain = len(text) <= MAX_WORD and not any(c.isdigit() for c in text)
        self._marks.add(f"{name}={text}" if plain and name not in self._numeric else name)

    def pattern(self) -> frozenset[str]:
        """The columns that are filled, those of words with the word."""
        return frozenset({*self.values, *self.odd, *self._marks})


def tell(line: int, text: str, unread: list[Unread], into: Collector) -> None:
    """Says which columns of numbers hold a text that is none."""
    for name, shown, known in unread:
        if known:
            into.skip(line, text, f"{name} {shown!r:.80} is not a number")
