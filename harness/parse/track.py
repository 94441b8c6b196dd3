"""The records of one series while they arrive: counters unrolled, repetitions kept apart.

A counter may restart with the epoch, fall back because a run was resumed, or start again from
the beginning because a run died; each means something else for the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.log.wording import counted
from harness.parse.growing import Growing

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

MAX_EPOCHS = 100_000
"""Epochs whose first step is remembered; a log with more counts fractions of an epoch."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """What a track ends as. All arrays have shape (n,) or (m,); `steps` rise strictly.

    `steps` and `values` are the records that count; `old_steps` and `old_values` those that a
    later record of the same step, or a later attempt, replaced (the earliest of each step).
    `restarted` says in words why older attempts were set aside, empty if none was.
    """

    steps: Steps
    values: Floats
    old_steps: Steps
    old_values: Floats
    repeated: int = 0
    disordered: bool = False
    restarted: str = ""


class Track:
    """Takes records in the order of the log.

    - The epoch rises and the counter does not: it counts within the epoch, and goes on one logging
      interval after the last step. One that each epoch states once, at one value, is its length.
      An epoch that was seen before starts where it did.
    - The counter had reached the total that the log states, and falls: likewise, without a number.
    - It falls to where it began: the run was started again. The older attempt is set aside, unless
      the counter does so at the same place every time; then those are epochs.
    - It falls less: the run was resumed, and the later record of a step counts.
    - The log says that the run goes on from a step (`purge`): older records from it on are set
      aside.
    """

    def __init__(self, unit: str = "") -> None:
        self.unit = unit
        self.by_order = False
        self.steps = Growing(np.int64)
        self.values = Growing(np.float64)
        self.attempts: list[int] = [0]
        self.ended_line = 0
        self._taken = 0
        self._line = 0
        self._epoch = 0.0
        self._first_epoch = 0.0
        self._first = -1
        self._last = -1
        self._offset = 0
        self._high = -1
        self._stride = 1
        self._offsets: dict[float, int] = {}
        self._purged: list[tuple[Steps, Floats]] = []

    def add(self, line: int, epoch: float, iteration: int, value: float, total: int = 0) -> int:
        """Takes one record, and returns its step. `total` is the counter's end, 0 if not stated."""
        if iteration > self._last >= 0 and epoch == self._epoch:
            # nearly every record: `_step` without its other cases, which take as long again
            step = self._offset + iteration
            if step > self._high:
                self._stride, self._high = step - self._high, step
            self._last, self._line = iteration, line
            self._taken += 1
        else:
            step = self._step(line, epoch, iteration, total)
        self.steps.append(step)
        self.values.append(value)
        return step

    def _step(self, line: int, epoch: float, iteration: int, total: int = 0) -> int:
        """The step of one record more."""
        if iteration > self._last >= 0:
            if epoch != self._epoch:
                self._offset = self._offsets.setdefault(epoch, self._offset)
        elif self._last >= 0:
            self._fall(epoch, iteration, total)
        if self._first < 0:
            self._first, self._first_epoch = iteration, epoch
            self._offsets[epoch] = self._offset
        step = self._offset + iteration
        if self._high < step:
            self._stride = step - self._high if self._high >= 0 else 1
            self._high = step
        if len(self._offsets) > MAX_EPOCHS:
            self._offsets.clear()
        self._epoch, self._last, self._line = epoch, iteration, line
        self._taken += 1
        return step

    def add_many(
        self, lines: Steps, epochs: Floats, iterations: Steps, values: Floats, turns: list[int]
    ) -> None:
        """Takes records (n,) in order, as `add` does; fast between `turning_points`."""
        self.values.more(values.size)[:] = values
        steps = self.steps.more(values.size)
        for start, end in pairwise([0, *turns, iterations.size]):
            # the first two one by one, which settles the offset and the stride; the rest in bulk
            head = min(end, start + 2)
            for i in range(start, head):
                self._step(int(lines[i]), float(epochs[i]), int(iterations[i]))
            np.add(iterations[start:end], self._offset, out=steps[start:end])
            if end > head:
                self._rise(steps[start:end], int(iterations[end - 1]), int(lines[end - 1]))

    def _rise(self, steps: Steps, iteration: int, line: int) -> None:
        """Goes on to the last of rising steps, the first two of which were taken."""
        self._last, self._line = iteration, line
        self._taken += steps.size - 2
        last = int(steps[-1])
        if last > self._high:
            self._stride = last - max(self._high, int(steps[-2]))
            self._high = last

    def retract(self) -> None:
        """Takes the last record back."""
        if self._taken:
            self._taken -= 1
            self.steps.pop()
            self.values.pop()

    def purge(self, step: int) -> None:
        """Sets this attempt's records from a step on aside: the log says that it went back."""
        begun, steps, values = self.attempts[-1], self.steps.numbers(), self.values.numbers()
        kept = steps < step
        kept[:begun] = True
        if kept.all():
            return
        self._purged.append((steps[~kept], values[~kept]))
        rest, self.steps, self.values = steps[kept], Growing(np.int64), Growing(np.float64)
        self.steps.more(rest.size)[:] = rest
        self.values.more(rest.size)[:] = values[kept]
        self._taken = rest.size
        if rest.size > begun:
            self._high, self._last = int(rest[begun:].max()), int(rest[-1]) - self._offset
        else:
            self._offset, self._first, self._high, self._last, self._stride = 0, -1, -1, -1, 1
            self._offsets.clear()

    def _fall(self, epoch: float, iteration: int, total: int) -> None:
        """Settles what a counter that does not rise means."""
        finished = 0 < total <= self._last + self._stride
        if (
            epoch in self._offsets
            and epoch != self._epoch
            and not self._from_scratch(epoch, iteration)
        ):
            self._offset = self._offsets[epoch]
        elif epoch > self._epoch or (finished and iteration < self._last):
            if self._high == self._first == iteration > 0:
                self._stride = iteration  # each epoch states the last value of its counter alone
            self._offset = self._high + self._stride - iteration
            self._offsets[epoch] = self._offset
        elif self._from_scratch(epoch, iteration):
            self.attempts.append(self._taken)
            self.ended_line = self._line
            self._offset, self._first, self._high, self._stride = 0, -1, -1, 1
            self._offsets.clear()

    def _from_scratch(self, epoch: float, iteration: int) -> bool:
        """Whether this is where the attempt began, and it has come further since."""
        further = self._taken - self.attempts[-1] > 1
        return further and iteration <= self._first and epoch <= self._first_epoch

    def restarts(self) -> list[int]:
        """Where the attempts after the first begin; one whose records were taken back is none."""
        return [start for start in self.attempts[1:] if start < self._taken]

    @property
    def line(self) -> int:
        """The line of the last record."""
        return self._line

    def last_step(self) -> int:
        """The step of the last record."""
        return self._offset + self._last

    def keep(self) -> Kept:
        """The records that count, and those that were replaced."""
        steps, values = self.steps.numbers(), self.values.numbers()
        restarted, start = "", 0
        restarts = self.restarts()
        if restarts:
            unrolled = self._as_epochs(steps)
            if unrolled is None:
                start = restarts[-1]
                bad = int(np.count_nonzero(~np.isfinite(values[:start])))
                restarted = (
                    f"started again {counted(len(restarts), 'time')}, the last after line "
                    f"{self.ended_line}; the {start} records before are set aside"
                    + (f", {bad} of which are not finite" if bad else "")
                )
            else:
                steps = unrolled
        older = np.concatenate([*(s for s, _ in self._purged), steps[:start]])
        older_values = np.concatenate([*(v for _, v in self._purged), values[:start]])
        old_steps, old_values = _earliest(older, older_values)
        steps, values = steps[start:], values[start:]
        if steps.size < 2 or bool((steps[1:] > steps[:-1]).all()):
            return Kept(
                steps=steps,
                values=values,
                old_steps=old_steps,
                old_values=old_values,
                restarted=restarted,
            )
        kept, last = np.unique(steps[::-1], return_index=True)
        replaced = np.ones(steps.size, dtype=bool)
        replaced[steps.size - 1 - last] = False
        old_steps, old_values = _earliest(
            np.concatenate([older, steps[replaced]]),
            np.concatenate([older_values, values[replaced]]),
        )
        return Kept(
            steps=kept,
            values=values[::-1][last],
            old_steps=old_steps,
            old_values=old_values,
            repeated=int(np.unique(steps[replaced]).size),
            disordered=not replaced.any(),
            restarted=restarted,
        )

    def _as_epochs(self, steps: Steps) -> Steps | None:
        """The steps unrolled if every attempt but the last ran over the same steps; else None."""
        bounds = [0, *self.restarts(), steps.size]
        parts = [steps[a:b] for a, b in pairwise(bounds)]
        first, *others = parts[:-1]
        alike = others and all(np.array_equal(first, other) for other in others)
        if not alike or not np.array_equal(first[: parts[-1].size], parts[-1]):
            return None
        apart = np.unique(first)  # steps may be out of order
        stride = int(apart[-1] - apart[-2]) if apart.size > 1 else 1
        length = int(apart[-1] - apart[0]) + stride
        return np.concatenate([part + i * length for i, part in enumerate(parts)])


def turning_points(epochs: Floats, iterations: Steps) -> list[int]:
    """Where, in counters (n,), the epoch changes or the iteration does not rise."""
    turns = (iterations[1:] <= iterations[:-1]) | (epochs[1:] != epochs[:-1])
    found: list[int] = (np.flatnonzero(turns) + 1).tolist()
    return found


def _earliest(steps: Steps, values: Floats) -> tuple[Steps, Floats]:
    """The first record of each step, in order of steps."""
    if not steps.size:
        return steps, values
    kept, first = np.unique(steps, return_index=True)
    return kept, values[first]
