"""Losses on lines that count nothing: numbered by a line before, the epoch, or their order."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from harness.parse.collect import Collector
from harness.parse.line import Place
from harness.parse.sets import RESULT

MAX_HELD = 1000
"""Series without steps that are kept."""


@dataclass(slots=True)
class _Records:
    """One series: the number of each line, the step of a line before, the epoch, and the value.

    A step or an epoch of -1 was not stated.
    """

    lines: array[int] = field(default_factory=lambda: array("q"))
    steps: array[int] = field(default_factory=lambda: array("q"))
    epochs: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def by_step(self, *, result: bool) -> bool:
        """Whether lines before state a step for every value, and no step has two values.

        Of a `result`, the last value of a step is that of the whole evaluation.
        """
        pairs = pairwise(zip(self.steps, self.values, strict=True))
        once = result or all(a[0] != b[0] or a == b for a, b in pairs)
        return once and min(self.steps) >= 0

    def by_epoch(self) -> bool:
        """Whether no line states the epoch of the line before."""
        return all(a != b for a, b in pairwise(self.epochs))


class Held:
    """Keeps losses whose lines state no counter until the end of the log."""

    def __init__(self) -> None:
        self.lines = 0
        self._series: dict[tuple[str, int], _Records] = {}

    def add(
        self, rank: int, epoch: int | None, figures: Mapping[str, float], step: int | None = None
    ) -> None:
        """Takes the figures of one line; `epoch` is the one that it states, `step` that before."""
        for name, value in figures.items():
            if len(self._series) < MAX_HELD or (name, rank) in self._series:
                records = self._series.setdefault((name, rank), _Records())
                records.lines.append(self.lines)
                records.steps.append(-1 if step is None else step)
                records.epochs.append(-1 if epoch is None else epoch)
                records.values.append(value)
        self.lines += 1

    def hand_over(self, into: Collector) -> str:
        """Hands every record over; returns by what they are numbered, for a remark."""
        by_step = all(
            records.by_step(result=name.startswith(RESULT))
            for (name, _), records in self._series.items()
        )
        trained = [n for n in self._series if not n[0].startswith(RESULT)] or [*self._series]
        stated = all(min(records.epochs) >= 0 for records in self._series.values())
        by_epoch = stated and all(self._series[key].by_epoch() for key in trained)
        for (name, rank), records in self._series.items():
            steps = records.epochs if by_epoch else records.lines
            steps = records.steps if by_step else steps
            for step, value in zip(steps, records.values, strict=True):
                into.record(Place(step, rank=rank), {name: value})
            if not by_epoch and not by_step:
                into.by_order(name)
        return "by a line before" if by_step else "by their epoch" if by_epoch else "from 0"
