"""The time left for a sweep, from the runs that ended and from the steps of those in training."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Estimate:
    """Estimates the time left. `jobs` is the number of runs at a time.

    `seconds` are those of finished runs. `first` holds, of each run in training, the steps and the
    time at its first look, since loading libraries takes long and logs no step.
    """

    jobs: int
    seconds: list[float] = field(default_factory=list)
    first: dict[str, tuple[int, float]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)

    def look(self, name: str, done: int, now: float) -> None:
        """Notes that a run in training has `done` steps at the time `now`, in seconds."""
        at, since = self.first.setdefault(name, (done, now))
        if done > at and now > since:
            self.rates[name] = (done - at) / (now - since)

    def end(self, name: str, seconds: float) -> None:
        """Notes that a run took `seconds`."""
        self.first.pop(name, None)
        self.rates.pop(name, None)
        self.seconds.append(seconds)

    def left(self, running: Sequence[tuple[str, float, int, int]], waiting: int) -> float | None:
        """Returns the seconds left; None before anything is known.

        `running` holds name, seconds so far, steps done and steps of the whole run, 0 where they
        are unknown; `waiting` is the number of runs that have not started.
        """
        whole = self._whole(running)
        if whole is None:
            return None
        ends = [self._rest(*run, whole) for run in running]
        ends += [0.0] * max(0, self.jobs - len(ends))
        heapq.heapify(ends)
        for _ in range(waiting):  # each takes the place that is free first
            heapq.heapreplace(ends, ends[0] + whole)
        return max(ends)

    def _whole(self, running: Sequence[tuple[str, float, int, int]]) -> float | None:
        """Returns the seconds of a typical run."""
        if self.seconds:
            return statistics.median(self.seconds)
        guesses = [
            so_far + (planned - done) / self.rates[name]
            for name, so_far, done, planned in running
            if name in self.rates and planned
        ]
        return statistics.median(guesses) if guesses else None

    def _rest(self, name: str, so_far: float, done: int, planned: int, whole: float) -> float:
        if name in self.rates and planned:
            return (planned - done) / self.rates[name]
        return max(0.0, whole - so_far)


def duration(seconds: float) -> str:
    """Returns a time in words.

    >>> duration(5), duration(300), duration(3 * 3600), duration(3 * 86400)
    ('5 s', '5 min', '3.0 h', '3.0 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
