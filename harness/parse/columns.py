"""Two columns of numbers, a step and a loss, with or without a heading.

1 8.048333168029785
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector

MIN_SHARE = 0.9
"""Part of a file's lines that must be such pairs: numbers that stray through a log are no curve."""

_PAIR = re.compile(
    r"\s*(?P<step>\d{1,15})(?:\s*[,;\t]\s*|\s+)(?P<value>[-+]?(?:[\d.][\d.eE+-]*|nan|inf))\s*$"
)
_HEAD = re.compile(
    r"\s*#?\s*(?:step|iter|iteration)(?:\s*[,;\t]\s*|\s+)(?P<name>[A-Za-z_][\w.]*)\s*$"
)


class Columns:
    """Reads a file that is nothing else. Steps are taken as they are written."""

    name = "columns"
    example = "1 8.048333168029785"

    def __init__(self) -> None:
        self._records: list[tuple[int, float]] = []
        self._name = "loss"
        self._others = 0
        self._cut: tuple[int, str] | None = None

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Keeps a pair until the end of the file shows what the file is."""
        if not line.endswith("\n"):
            self._cut = (number, line)
            return False
        head = _HEAD.match(line)
        if head is not None:
            self._name = head["name"]
            return True
        pair = _PAIR.match(line)
        if pair is not None:
            try:
                self._records.append((int(pair["step"]), float(pair["value"])))
            except ValueError:
                into.skip(number, line, f"{pair['value']!r} is not a number")
            else:
                return True
        self._others += bool(line.strip())
        return False

    def close(self, into: Collector) -> None:
        """Hands the curve over if the file holds no other format and little else."""
        lines = len(self._records) + self._others
        if into.formats or not self._records or len(self._records) < MIN_SHARE * lines:
            return
        into.claim(self.name)
        for step, value in self._records:
            into.record(self._name, rank=0, iteration=step, value=value)
        if self._cut is not None and _PAIR.match(self._cut[1]):
            into.skip(*self._cut, "the file ends inside this line")
