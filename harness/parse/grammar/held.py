"""Losses on lines that count nothing: numbered at the end, by the epoch or by their order."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from harness.parse.collect import Collector
from harness.parse.line import Place

MAX_HELD = 1000
"""Series without steps that are kept."""


@dataclass(slots=True)
class _Records:
    """One series: the number of each line, the epoch that it states, -1 for none, and the value."""

    lines: array[int] = field(default_factory=lambda: array("q"))
    epochs: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def by_epoch(self) -> bool:
        """Whether no line states the epoch of the line before."""
        return all(a != b for a, b in pairwise(self.epochs))


class Held:
    """Keeps losses whose lines state no counter until the end of the log."""

    def __init__(self) -> None:
        self.lines = 0
        self._series: dict[tuple[str, int], _Records] = {}

    def add(self, rank: int, epoch: int | None, figures: Mapping[str, float]) -> None:
        """Takes the figures of one line; `epoch` is the one that it states."""
        for name, value in figures.items():
            if len(self._series) < MAX_HELD or (name, rank) in self._series:
                records = self._series.setdefault((name, rank), _Records())
                records.lines.append(self.lines)
                records.epochs.append(-1 if epoch is None else epoch)
                records.values.append(value)
        self.lines += 1

    def hand_over(self, into: Collector) -> bool:
        """Hands every record over; returns whether epochs number them, or else their order."""
        trained = [n for n in self._series if not n[0].startswith("val.")] or [*self._series]
        stated = all(min(records.epochs) >= 0 for records in self._series.values())
        by_epoch = stated and all(self._series[key].by_epoch() for key in trained)
        for (name, rank), records in self._series.items():
            steps = records.epochs if by_epoch else records.lines
            for step, value in zip(steps, records.values, strict=True):
                into.record(Place(step, rank=rank), {name: value})
            if not by_epoch:
                into.by_order(name)
        return by_epoch
