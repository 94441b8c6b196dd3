"""Gathers what the format readers find in one log, in one pass, keeping numbers only."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.curve import Series, Skipped
from harness.facts import FactValue, RunFacts

MMENGINE_WINDOW = 10
"""mmengine's LogProcessor averages over 10 iterations unless its config says otherwise."""
MAX_SKIPPED = 1000
"""Skipped lines kept with their text; more are counted."""


class Format(Protocol):
    """Reads the lines of one log format. A fresh object serves one log."""

    name: str
    example: str

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes line `number` (from 1); True if it belonged to this format."""

    def close(self, into: Collector) -> None:
        """The log has ended: hand over what was still open."""


@dataclass(slots=True)
class _Track:
    """The records of one series while they arrive, with its epochs unrolled."""

    unit: str
    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    epoch: float = 0.0
    last: int = -1
    offset: int = 0

    def add(self, epoch: float, iteration: int, value: float) -> None:
        if self.steps and epoch > self.epoch and iteration <= self.last:
            stride = self.steps[-1] - self.steps[-2] if len(self.steps) > 1 else 1
            self.offset = max(self.steps) + max(1, stride) - iteration
        self.epoch = epoch
        self.last = iteration
        self.steps.append(self.offset + iteration)
        self.values.append(value)


class Collector:
    """Takes records, facts and skipped lines, and gives them back in order.

    A counter that restarts when the epoch rises is unrolled: the new epoch goes on one logging
    interval after the last step. A step that comes twice otherwise (a resumed run) keeps its later
    record, and a note says so.
    """

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self.skipped_count = 0
        self.notes: list[str] = []
        self.formats: dict[str, int] = {}
        self.last_step = -1
        self.window = MMENGINE_WINDOW
        self._tracks: dict[tuple[str, int, int], _Track] = {}
        self._facts: dict[str, FactValue] = {}
        self._fact_lines: dict[str, int] = {}

    def record(
        self,
        name: str,
        *,
        rank: int,
        iteration: int,
        value: float,
        epoch: float = 0.0,
        window: int = 1,
        unit: str = "",
    ) -> None:
        """Adds one value. `iteration` counts from 0, within the epoch or over the whole run."""
        key = (name, rank, window)
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = _Track(unit=unit)
        track.add(epoch, iteration, value)
        self.last_step = track.steps[-1]

    def fact(self, name: str, value: FactValue, *, line: int | None = None) -> None:
        """States a fact. The first statement stands; another value later becomes a note."""
        if name not in self._facts:
            self._facts[name] = value
            if line is not None:
                self._fact_lines[name] = line
        elif self._facts[name] != value:
            self.notes.append(
                f"{name} is stated twice: {self._facts[name]!r} (line "
                f"{self._fact_lines.get(name, 'unknown')}), then {value!r} (line {line}); "
                "the first is used"
            )

    def has(self, name: str) -> bool:
        """Whether a fact was stated."""
        return name in self._facts

    def claim(self, format_name: str) -> None:
        """Counts a line that a format recognised."""
        self.formats[format_name] = self.formats.get(format_name, 0) + 1

    def skip(self, line: int, text: str, reason: str) -> None:
        """Notes a line that looked like a record and was not."""
        self.skipped_count += 1
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(Skipped(line=line, text=text.strip()[:200], reason=reason))

    def facts(self, derived: Mapping[str, FactValue] | None = None) -> RunFacts:
        """The facts so far, with derived ones where the log states none."""
        return RunFacts(values_by_name={**(derived or {}), **self._facts}, lines=self._fact_lines)

    def series(self) -> tuple[Series, ...]:
        """The series in order of rank, name and window; repeated steps keep the later record."""
        found = []
        for (name, rank, window), track in sorted(
            self._tracks.items(), key=lambda item: (item[0][1], item[0][0], item[0][2])
        ):
            steps = np.frombuffer(track.steps, dtype=np.int64)
            values = np.frombuffer(track.values, dtype=np.float64)
            if steps.size > 1 and not np.all(np.diff(steps) > 0):
                steps, values = self._in_order(name, rank, steps, values)
            found.append(
                Series(
                    name=name, rank=rank, window=window, unit=track.unit, steps=steps, values=values
                )
            )
        return tuple(found)

    def _in_order(
        self,
        name: str,
        rank: int,
        steps: np.ndarray[tuple[int], np.dtype[np.int64]],
        values: np.ndarray[tuple[int], np.dtype[np.float64]],
    ) -> tuple[
        np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]
    ]:
        kept, last = np.unique(steps[::-1], return_index=True)
        repeated = steps.size - kept.size
        what = f"{repeated} steps are logged twice; the later record is used" if repeated else ""
        self.notes.append(f"{name} of rank {rank}: {what or 'steps are out of order; sorted'}")
        return kept, values[::-1][last]
