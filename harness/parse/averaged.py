"""Losses that a program prints as the mean since its last line: the window is the interval."""

from __future__ import annotations

from collections.abc import Sequence

from harness.parse.collect import Collector

Value = tuple[str, float, bool]
"""Name, value, and whether it is a mean over the interval."""


class Averaged:
    """Holds the first line back until the second shows the logging interval.

    An interval holds until lines come at one that is no multiple of it: a lost line changes
    nothing, and neither does a counter that falls back.
    """

    def __init__(self, interval: int | None = None) -> None:
        self._interval = interval
        self._before: int | None = None
        self._held: list[Value] = []

    def add(self, step: int, values: list[Value], into: Collector) -> None:
        """Takes the values of one line."""
        before, self._before = self._before, step
        if before is None and self._interval is None:
            self._held = values
            return
        apart = step - (before or 0)
        if before is not None and apart > 0 and (not self._interval or apart % self._interval):
            self._interval = apart
        if self._held and before is not None:
            self._emit(before, self._held, into)
            self._held = []
        self._emit(step, values, into)

    def close(self, into: Collector) -> None:
        """Hands over a line that stayed alone."""
        if self._held and self._before is not None:
            self._emit(self._before, self._held, into)
            self._held = []

    def _emit(self, step: int, values: Sequence[Value], into: Collector) -> None:
        for name, value, mean in values:
            window = (self._interval or 1) if mean else 1
            into.record(name, rank=0, iteration=step, value=value, window=window)
