"""Means over other numbers of steps -> means over the same number, which can be compared.

A mean over 80 steps and a mean over 384 are different quantities. Whole means that follow one
another without a gap are joined to a mean over all their steps; none is split or interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

import numpy as np
from numpy.typing import NDArray

from harness.errors import AlignmentError
from harness.log.run import Series
from harness.log.wording import counted

Steps = NDArray[np.int64]
Choices = Sequence[tuple[Series, ...]]
"""For each run, the judged series by window, the narrowest first."""

REGULAR = 0.8
"""Part of the steps that must lie on a grid for it to be the logging interval."""


def common_window(choices: Choices) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Returns the window that is judged, and the other shared ones with their common records.

    Several windows of one series are shared where the logging interval changed, or where the first
    record stands for fewer steps than the others: the window with the most records is the run's.
    Where the runs' own windows differ, the shortest interval that all of them divide is tried too.
    """
    shared = set.intersection(*({s.window for s in found} for found in choices))
    joint = lcm(*(_main(found).window for found in choices))
    records = {}
    for window in sorted(shared | {joint}):
        try:
            records[window] = shared_steps([at_window(found, window) for found in choices]).size
        except AlignmentError:
            if not shared:
                raise
    best = max(records, key=lambda window: (records[window], window in shared, -window))
    others = ((window, n) for window, n in records.items() if window in shared)
    return best, tuple((window, n) for window, n in others if window != best)


def _main(found: tuple[Series, ...]) -> Series:
    """The series with the most records, the narrowest of equal ones."""
    return max(found, key=lambda s: (len(s), -s.window))


def at_window(found: tuple[Series, ...], window: int) -> Series:
    """Returns the series of a run as means over `window` steps, its own or joined ones.

    Raises:
        AlignmentError: its means cannot be joined to that.
    """
    for series in found:
        if series.window == window:
            return series
    parts = [s for s in found if window % s.window == 0]
    return widen(_main(tuple(parts or found)), window)


def widen(series: Series, window: int) -> Series:
    """Returns a series as means over `window` steps; a mean that lacks a step is left out.

    Raises:
        AlignmentError: its means do not follow one another, or do not fill `window` steps.
    """
    each = series.window
    if window % each or (each > 1 and interval(series.steps)[0] != each):
        msg = (
            f"{series.key} of rank {series.rank} is a mean of {counted(each, 'step')}; only means "
            f"that follow one another, without a gap or an overlap, can be joined to means of "
            f"{window} steps. Log the same window on both sides."
        )
        raise AlignmentError(msg)
    size = window // each
    if len(series) < size:
        return replace(series, window=window, steps=series.steps[:0], values=series.values[:0])
    apart = np.concatenate([[0], np.cumsum(np.diff(series.steps) != each)])
    whole = apart[size - 1 :] == apart[: 1 - size or None]
    means = np.lib.stride_tricks.sliding_window_view(series.values, size).mean(axis=1)
    return replace(
        series, window=window, steps=series.steps[size - 1 :][whole], values=means[whole]
    )


def joined(choices: Choices, window: int) -> tuple[int, ...]:
    """Returns the windows of means that were joined to `window`, in order; empty if none was."""
    own = {_main(found).window for found in choices}
    without = (found for found in choices if all(s.window != window for s in found))
    return tuple(sorted(own)) if any(_main(found).window > 1 for found in without) else ()


def shared_steps(series: Sequence[Series]) -> Steps:
    """Returns the steps that all series have."""
    steps = series[0].steps
    for other in series[1:]:
        steps = np.intersect1d(steps, other.steps, assume_unique=True)
    return steps


def interval(steps: Steps) -> tuple[int, int]:
    """Returns the logging interval of rising steps (n,) with its phase: most are phase modulo it.

    (1, 0), every step, where they follow no regular interval.

    >>> interval(np.array([9, 19, 39, 49])), interval(np.array([1, 10, 20, 30, 40, 50]))
    ((10, 9), (10, 0))
    """
    if steps.size < 2:
        return 1, 0
    strides, counts = np.unique(np.diff(steps), return_counts=True)
    stride = int(strides[counts.argmax()])
    phases, counts = np.unique(steps % stride, return_counts=True)
    if counts.max() < REGULAR * steps.size:
        return 1, 0
    return stride, int(phases[counts.argmax()])
