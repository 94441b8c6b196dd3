"""What a format of logs is: a class whose objects read one log each, line by line."""

from __future__ import annotations

from typing import Protocol

from harness.parse.collect import Collector
from harness.parse.line import Line


class Format(Protocol):
    """Reads the lines of one log format. A fresh object reads one log.

    The records of a `fallback` format count only where no other format has any. A format with
    `long_lines` is given lines of any length; others are given none beyond 64 KiB.
    """

    name: str
    example: str
    fallback: bool
    long_lines: bool

    def feed(self, line: Line, into: Collector) -> bool:
        """Hands the records of a line to `into`; returns whether the line is of this format."""

    def close(self, into: Collector) -> None:
        """Hands over what is still open when the log ends."""
