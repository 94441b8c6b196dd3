"""Two columns of numbers, a step and a loss, with or without a heading.

1 8.048333168029785
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.damage import word
from harness.parse.line import Line, Place
from harness.parse.number import VALUE, count, number
from harness.parse.tokens import is_known_word

MIN_SHARE = 0.9
"""Part of a file's lines that must be such pairs: numbers that stray through a log are no curve."""

_PAIR = re.compile(
    rf"\s{{0,64}}(?P<step>\d{{1,16}})(?:\s*[,;\t]\s*|\s+)(?P<value>{VALUE})\s*$", re.ASCII
)
_WORD = re.compile(
    r"\s{0,64}(?P<step>\d{1,16})(?:\s*[,;\t]\s*|[ \t]+)(?P<value>[^\s,;\d]{0,40})\s*$", re.ASCII
)
"""A step and what is no number, or a mark and nothing."""
_HEAD = re.compile(
    r"\s{0,64}#?\s*(?:step|iter|iteration)(?:\s*[,;\t]\s*|\s+)(?P<name>[A-Za-z_][\w.]*)\s*$"
)
MAX_LINE = 400


class Columns:
    """Reads a file that is nothing else. Steps are taken as they are written."""

    name = "columns"
    example = "1 8.048333168029785"
    fallback = True
    long_lines = False

    def __init__(self) -> None:
        self._name = "loss"
        self._pairs = 0
        self._others = 0
        self._cut: tuple[int, str] | None = None

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a pair; the end of the file shows whether the file is made of them."""
        short = line.text[:MAX_LINE]
        if not line.whole:
            self._cut = (line.number, short)
            return False
        head = _HEAD.match(short)
        if head is not None:
            self._name = head["name"]
            return True
        pair = _PAIR.match(short)
        step = None if pair is None else count(pair["step"])
        value = None if pair is None else number(pair["value"])
        if pair is None and self._pairs and (odd := _WORD.match(short)):
            step, value = count(odd["step"]), self._word(odd["value"], short, into)
        if step is None or value is None:
            self._others += not line.text.isspace()
            return False
        self._pairs += 1
        into.claim(self.name)
        into.record(Place(step), {self._name: value})
        return True

    def _word(self, text: str, line: str, into: Collector) -> float | None:
        return word(self._name, text, line, into) if is_known_word(text) else None

    def close(self, into: Collector) -> None:
        """Takes everything back if the file holds little else but other text."""
        if self._pairs < MIN_SHARE * (self._pairs + self._others):
            into.disclaim(self.name)
        elif self._cut is not None and _PAIR.match(self._cut[1]):
            into.skip(*self._cut, "the file ends inside this line")
