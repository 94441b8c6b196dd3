"""Lines with figures that no format took, so that a person can be told of them."""

from __future__ import annotations

import re
from array import array

from harness.log.run import Skipped
from harness.parse.grammar.figures import figures_of
from harness.parse.grammar.measures import DECIMAL, is_chatter, is_measure
from harness.parse.grammar.prefixes import prefix_of

SHOWN = 3
"""Lines that are quoted."""
MAX_QUOTED = 1000
"""Lines kept with their text: those before the first record are left out at the end."""
MAX_KINDS = 2000
"""Kinds of lines, numbers aside, whose judgement is remembered."""
LONGEST = 600
"""Characters of a line that may hold figures."""
REASON = "figures in no known form"

_NUMBER = re.compile(r"\d+")
_CELL = re.compile(r"(?P<number>[-+]?\d{1,20}(?:\.\d{1,20})?%?)|.*[A-Za-z].*")


class Dropped:
    """Counts lines that state a figure of a training: a name with a decimal, or a row of a table.

    Times, sizes and speeds do not count, nor do lines on checkpoints and on the best result so far.
    """

    def __init__(self) -> None:
        self._lines: array[int] = array("q")
        self._texts: dict[int, str] = {}
        self._kinds: dict[str, bool] = {}

    def add(self, number: int, text: str) -> None:
        """Takes a line that no format took."""
        if len(text) > LONGEST or not text.endswith("\n") or not DECIMAL.search(text):
            return
        kind = _NUMBER.sub("0", text)
        holds = self._kinds.get(kind)
        if holds is None:
            if len(self._kinds) >= MAX_KINDS:
                self._kinds.clear()
            holds = self._kinds[kind] = holds_figures(text)
        if not holds or (self._lines and self._lines[-1] == number):
            return
        self._lines.append(number)
        if len(self._texts) < MAX_QUOTED:
            self._texts[number] = text[:LONGEST].strip()

    def after(self, line: int) -> tuple[int, tuple[Skipped, ...]]:
        """Returns how many lines there are behind this one, and the first ones."""
        count = sum(number > line for number in self._lines)
        first = [n for n in self._texts if n > line][:SHOWN]
        quoted = tuple(Skipped(line=n, text=self._texts[n][:200], reason=REASON) for n in first)
        return count, quoted


def holds_figures(text: str) -> bool:
    """Returns whether a line states a figure of a training.

    >>> holds_figures("[EVAL] mIoU: 0.75"), holds_figures("| road | 97.5 |")
    (True, True)
    >>> holds_figures("max memory: 3.5 GB"), holds_figures("Saving checkpoint, acc: 0.75")
    (False, False)
    """
    if is_chatter(text):
        return False
    return _is_row(text) or any(map(is_measure, figures_of(text, prefix_of(text).end)))


def _is_row(text: str) -> bool:
    """Whether a line is a row of a table with a word and a decimal."""
    row = text.strip()
    if not (row.startswith("|") and row.endswith("|") and len(row) > 1):
        return False
    cells = [_CELL.fullmatch(cell.strip()) for cell in row[1:-1].split("|")]
    numbers = [cell["number"] for cell in cells if cell is not None and cell["number"]]
    return 0 < len(numbers) < len(cells) and None not in cells and any("." in n for n in numbers)
