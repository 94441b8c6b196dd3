"""Losses that a program prints as the mean since its last line: the window is the interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import gcd
from typing import NamedTuple

from harness.parse.collect import Collector
from harness.parse.line import Place


class _Line(NamedTuple):
    step: int
    done: int
    values: Mapping[str, float]
    instant: Collection[str]


class Averaged:
    """Holds the first lines back until the next shows the logging interval.

    Programs log when the number of finished steps, counted within the epoch where a log does so, is
    a multiple of the interval; some log the very first step too, alone. So the interval divides
    the counters and their differences. It holds until two lines after each other are apart by the
    same number that is no multiple of it: a lost line changes nothing, nor does one line more at
    the end of an epoch, nor a counter that falls back.
    """

    def __init__(self) -> None:
        self._interval = 0
        self._other = 0
        self._before = (0, 0)
        self._held: list[_Line] = []

    def add(
        self,
        step: int,
        values: Mapping[str, float],
        into: Collector,
        *,
        done: int,
        epoch: int = 0,
        instant: Collection[str] = (),
    ) -> None:
        """Takes the values of one line; `done` steps were finished when it was written.

        Values named in `instant` are no means.
        """
        before, self._before = self._before, (epoch, done)
        line = _Line(step, done, values, instant)
        if self._interval:
            self._adapt(done - before[1] if before[0] == epoch else 0)
            self._emit(line, into)
            return
        self._held.append(line)
        into.learn(values)
        first = self._held[0]
        if len(self._held) == 1 or (len(self._held) == 2 and first.done == 1 and done > 2):
            return
        earlier = self._held[-2].done
        apart = done - earlier if before[0] == epoch and done > earlier else done
        self._settle(gcd(earlier, apart), into)

    def close(self, into: Collector) -> None:
        """Hands over lines that stayed alone."""
        if self._held:
            self._settle(self._held[1].done if len(self._held) > 1 else 1, into)

    def _settle(self, interval: int, into: Collector) -> None:
        self._interval = max(1, interval)
        held, self._held = self._held, []
        for line in held:
            self._emit(line, into)

    def _adapt(self, apart: int) -> None:
        """Takes another interval once lines were apart by it twice."""
        if apart <= 0 or apart % self._interval == 0:
            self._other = 0
        elif apart == self._other:
            self._interval, self._other = apart, 0
        else:
            self._other = apart

    def _emit(self, line: _Line, into: Collector) -> None:
        window = 1 if line.done == 1 else self._interval
        into.record(Place(line.step, window=window), line.values, instant=line.instant)
