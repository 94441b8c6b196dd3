"""Baseline runs x candidate runs -> the steps they share, and exactly what was left out.

B baseline runs, C candidate runs, n common steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.curve import Run, Series
from harness.errors import AlignmentError
from harness.lag import lag

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aligned:
    """The judged series of both sides on their common steps.

    `steps` has shape (n,), `baseline` (B, n), `candidate` (C, n). `baseline_only` and
    `candidate_only` are the steps that the other side lacks; `missing` are those of them that lie
    inside the range both sides cover, where a difference in length does not explain them and
    neither does a coarser logging interval. `lag` is the shift, in steps, at which the candidate
    follows the baseline best; None where it cannot be told. The series are kept whole for rules
    that cut by themselves. `last` is the number of common steps judged, None for all. `companions`
    are other series of the same runs (learning rate, validation), each on its own common steps;
    `signals` are further figures of the training itself (parts of the loss, norms, how far the
    ranks lie apart), which only a rule that asks for them looks at.
    """

    metric: str
    rank: int
    window: int
    steps: Steps
    baseline: Floats
    candidate: Floats
    baseline_only: Steps
    candidate_only: Steps
    missing: Steps
    lag: int | None
    baseline_series: tuple[Series, ...]
    candidate_series: tuple[Series, ...]
    last: int | None = None
    companions: tuple[Aligned, ...] = ()
    signals: tuple[Aligned, ...] = ()
    same_ranks: bool = True

    def __post_init__(self) -> None:
        n = self.steps.size
        if self.baseline.shape[1:] != (n,) or self.candidate.shape[1:] != (n,) or n == 0:
            msg = f"baseline {self.baseline.shape}, candidate {self.candidate.shape}, {n} steps"
            raise ValueError(msg)

    @property
    def coverage(self) -> float:
        """Common steps as a fraction of the steps that either side has."""
        n = self.steps.size
        return n / (n + self.baseline_only.size + self.candidate_only.size)

    @property
    def baseline_mean(self) -> Floats:
        """The mean curve of the baseline runs, shape (n,). With one run, its very bits."""
        return _mean(self.baseline)

    @property
    def candidate_mean(self) -> Floats:
        """The mean curve of the candidate runs, shape (n,). With one run, its very bits."""
        return _mean(self.candidate)

    def tail(self, last: int) -> Aligned:
        """The last `last` common steps. Steps that only one side has before them are out of it."""
        if last >= self.steps.size:
            return replace(self, last=last)
        later = self.since(int(self.steps[-last]))
        return self if later is None else replace(later, last=last)

    def since(self, start: int) -> Aligned | None:
        """The common steps from `start` on, companions and signals too; None if there is none."""
        at = int(np.searchsorted(self.steps, start))
        if at == self.steps.size:
            return None
        return replace(
            self,
            steps=self.steps[at:],
            baseline=self.baseline[:, at:],
            candidate=self.candidate[:, at:],
            baseline_only=self.baseline_only[self.baseline_only >= start],
            candidate_only=self.candidate_only[self.candidate_only >= start],
            missing=self.missing[self.missing >= start],
            companions=_since(self.companions, start),
            signals=_since(self.signals, start),
        )


def _since(others: Sequence[Aligned], start: int) -> tuple[Aligned, ...]:
    found = (other.since(start) for other in others)
    return tuple(other for other in found if other is not None)


def ranges(steps: Steps) -> list[tuple[int, int]]:
    """Rising steps (n,) as runs of consecutive ones, first and last of each.

    >>> ranges(np.array([3, 7, 8, 9]))
    [(3, 3), (7, 9)]
    """
    if not steps.size:
        return []
    cuts = np.flatnonzero(np.diff(steps) != 1)
    firsts = steps[np.concatenate([[0], cuts + 1])]
    lasts = steps[np.concatenate([cuts, [steps.size - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _mean(curves: Floats) -> Floats:
    mean: Floats = curves[0] if curves.shape[0] == 1 else np.mean(curves, axis=0)
    return mean


def align(
    baseline: Sequence[Run], candidate: Sequence[Run], *, metric: str = "loss", rank: int = 0
) -> Aligned:
    """The series `metric` of `rank` of every run on the steps that all of them have.

    Where the sides log different windows, the narrower one is averaged to the wider, never the
    reverse.

    Raises:
        AlignmentError: a run lacks the series, or the runs have no step in common.
    """
    base = [select(run, metric, rank) for run in baseline]
    cand = [select(run, metric, rank) for run in candidate]
    window = _common_window([*base, *cand])
    left = tuple(_at_window(found, window) for found in base)
    right = tuple(_at_window(found, window) for found in cand)
    ours = _shared_steps(left)
    theirs = _shared_steps(right)
    common = np.intersect1d(ours, theirs, assume_unique=True)
    if common.size == 0:
        raise AlignmentError(_no_common_step(baseline, candidate, left, right, metric))
    base_values = np.stack([_values_at(s, common) for s in left])
    cand_values = np.stack([_values_at(s, common) for s in right])
    baseline_only = np.setdiff1d(_all_steps(left), common, assume_unique=True)
    candidate_only = np.setdiff1d(_all_steps(right), common, assume_unique=True)
    return Aligned(
        metric=metric,
        rank=rank,
        window=window,
        steps=common,
        baseline=base_values,
        candidate=cand_values,
        baseline_only=baseline_only,
        candidate_only=candidate_only,
        missing=_missing([*left, *right], common, ours, theirs),
        lag=lag(_mean(base_values), _mean(cand_values)),
        baseline_series=left,
        candidate_series=right,
    )


def select(run: Run, metric: str, rank: int) -> tuple[Series, ...]:
    """The series of this name and rank, the narrowest window first; at least one.

    Raises:
        AlignmentError: the run has none; the message lists what it has.
    """
    found = run.find(metric, rank)
    if not found:
        have: dict[str, set[int]] = {}
        for series in run.series:
            have.setdefault(series.name, set()).add(series.rank)
        listing = ", ".join(
            f"{name} (rank {', '.join(map(str, sorted(ranks)))})" for name, ranks in have.items()
        )
        msg = f"no series {metric!r} of rank {rank}; found: {listing}. Choose --metric and --rank."
        raise AlignmentError(msg, source=run.source)
    return found


def _common_window(choices: Sequence[tuple[Series, ...]]) -> int:
    """The narrowest window that every run can show: its own, or one that it can be averaged to."""
    shared = set.intersection(*({s.window for s in found} for found in choices))
    return min(shared) if shared else max(found[0].window for found in choices)


def _at_window(found: tuple[Series, ...], window: int) -> Series:
    for series in found:
        if series.window == window:
            return series
    return widen(found[0], window)


def widen(series: Series, window: int) -> Series:
    """A per-step series as means over `window` steps; a mean that lacks a step is left out.

    Raises:
        AlignmentError: the series is no per-step one, so that its means cannot be formed.
    """
    if series.window != 1:
        msg = (
            f"{series.key} of rank {series.rank} is a mean of {series.window} steps and cannot be "
            f"turned into one of {window}; log the same window on both sides."
        )
        raise AlignmentError(msg)
    if len(series) < window:
        return replace(series, window=window, steps=series.steps[:0], values=series.values[:0])
    whole = series.steps[window - 1 :] - series.steps[: 1 - window or None] == window - 1
    means = np.lib.stride_tricks.sliding_window_view(series.values, window).mean(axis=1)
    return replace(
        series, window=window, steps=series.steps[window - 1 :][whole], values=means[whole]
    )


def _shared_steps(series: Sequence[Series]) -> Steps:
    steps = series[0].steps
    for other in series[1:]:
        steps = np.intersect1d(steps, other.steps, assume_unique=True)
    return steps


def _all_steps(series: Sequence[Series]) -> Steps:
    steps = series[0].steps
    for other in series[1:]:
        steps = np.union1d(steps, other.steps)
    return steps


def _values_at(series: Series, steps: Steps) -> Floats:
    return series.values[np.searchsorted(series.steps, steps)]


def _missing(series: Sequence[Series], common: Steps, ours: Steps, theirs: Steps) -> Steps:
    """Steps that some run has and another lacks, inside the range that every run covers."""
    first = max(int(s.steps[0]) for s in series)
    last = min(int(s.steps[-1]) for s in series)
    every = _all_steps(series)
    inside = np.setdiff1d(every[(every >= first) & (every <= last)], common, assume_unique=True)
    if inside.size and (_is_coarser(ours, theirs) or _is_coarser(theirs, ours)):
        return inside[:0]
    return inside


def _is_coarser(coarse: Steps, fine: Steps) -> bool:
    """Whether one side merely logs every k-th step of the other, without a gap of its own."""
    within = coarse[(coarse >= fine[0]) & (coarse <= fine[-1])]
    if within.size < 2:
        return False
    strides = np.diff(within)
    regular = bool(np.all(strides == strides[0])) and int(strides[0]) > 1
    return regular and bool(np.isin(within, fine).all())


def _no_common_step(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    left: Sequence[Series],
    right: Sequence[Series],
    metric: str,
) -> str:
    def span(runs: Sequence[Run], series: Sequence[Series]) -> str:
        steps = _all_steps(series)
        names = ", ".join(run.source for run in runs)
        return f"{names}: steps {steps[0]} to {steps[-1]}" if steps.size else f"{names}: no steps"

    return (
        f"no common step of {metric!r}: {span(baseline, left)}; {span(candidate, right)}. "
        "Compare logs of the same part of training, logged at the same interval."
    )
