"""Aligns baseline and candidate runs on their common steps, and records what was left out.

B baseline runs, C candidate runs, n common steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.align.lag import lag
from harness.align.windows import at_window, common_window, interval, shared_steps
from harness.errors import AlignmentError
from harness.log.arrays import Floats, Steps
from harness.log.published import Published
from harness.log.run import Run, Series

if TYPE_CHECKING:
    from harness.align.start import Start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """One series of both sides on the steps that all runs share.

    `steps` has shape (n,), `baseline` (B, n), `candidate` (C, n); the row of a run that does not
    log the series is NaN throughout. `baseline_only` and `candidate_only` are the steps that no run
    of the other side has. `missing` are the steps within the range of all runs that some run lacks,
    unless a coarser logging interval explains the gap. `baseline_series` and `candidate_series`
    keep all steps, for rules that choose their own. `baseline_mean` and `candidate_mean` (n,) are
    the mean curves; with a single run they equal its values bit for bit. All arrays are read-only.
    `by_order` is true if a log states no steps, so that `steps` counts its records.
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
    baseline_series: tuple[Series, ...]
    candidate_series: tuple[Series, ...]
    by_order: bool = False
    baseline_mean: Floats = field(init=False, repr=False)
    candidate_mean: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n = self.steps.size
        if self.baseline.shape[1:] != (n,) or self.candidate.shape[1:] != (n,) or n == 0:
            msg = f"baseline {self.baseline.shape}, candidate {self.candidate.shape}, {n} steps"
            raise ValueError(msg)
        arrays = ("steps", "baseline", "candidate", "baseline_only", "candidate_only", "missing")
        for name in arrays:
            object.__setattr__(self, name, _read_only(getattr(self, name)))
        object.__setattr__(self, "baseline_mean", _read_only(_mean(self.baseline)))
        object.__setattr__(self, "candidate_mean", _read_only(_mean(self.candidate)))

    @property
    def place(self) -> str:
        """What a number in `steps` counts: `step`, or `record` if a log states no steps."""
        return "record" if self.by_order else "step"

    @property
    def coverage(self) -> float:
        """Common steps as a fraction of the steps that any run logged."""
        return self.steps.size / _all_steps([*self.baseline_series, *self.candidate_series]).size

    def between(self, first: int, last: int | None = None) -> Self | None:
        """Returns the common steps from `first` to `last`, both included; None without any."""
        start = int(np.searchsorted(self.steps, first))
        stop = self.steps.size if last is None else int(np.searchsorted(self.steps, last, "right"))
        if start >= stop:
            return None

        def inside(steps: Steps) -> Steps:
            kept = steps[steps >= first]
            return kept if last is None else kept[kept <= last]

        return replace(
            self,
            steps=self.steps[start:stop],
            baseline=self.baseline[:, start:stop],
            candidate=self.candidate[:, start:stop],
            baseline_only=inside(self.baseline_only),
            candidate_only=inside(self.candidate_only),
            missing=inside(self.missing),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aligned(Curves):
    """The judged series of both sides on their common steps, with the other series of the runs.

    `lag` is the shift, in steps, at which the candidate follows the baseline best; None if the data
    do not show one. `last` is the number of common steps that `--last` asked for, `part` the first
    and the last step of the part that `--until` asked for; None judges all steps. `left_out` lists
    the other windows in which the series was logged, each with its number of common records.

    `schedules` are set by the recipe (learning rate, samples seen), `validation` holds validation
    figures, `auxiliary` further measured series (parts of the loss, norms, spread over ranks),
    `others` series that no rule tests (batch accuracy, rewards). `same_ranks` is true if all runs
    logged the judged series for the same ranks. `start` holds the first steps of runs of the same
    start; None if they are not, or no one asked. `published` describes a baseline that is a
    published result; None for any other.
    """

    lag: int | None
    last: int | None = None
    part: tuple[int, int] | None = None
    left_out: tuple[tuple[int, int], ...] = ()
    schedules: tuple[Curves, ...] = ()
    validation: tuple[Curves, ...] = ()
    auxiliary: tuple[Curves, ...] = ()
    others: tuple[Curves, ...] = ()
    same_ranks: bool = True
    start: Start | None = None
    published: Published | None = None

    def tail(self, last: int) -> Aligned:
        """Returns the last `last` common steps, without the earlier steps of one side only."""
        if last >= self.steps.size:
            return replace(self, last=last)
        later = self.between(int(self.steps[-last]))
        return self if later is None else replace(later, last=last)

    def between(self, first: int, last: int | None = None) -> Self | None:
        """Returns the common steps from `first` to `last`, both included; None without any.

        The other series are cut likewise. A series without a step in this range is left out.
        """
        part = Curves.between(self, first, last)
        return part and replace(
            part,
            schedules=_between(self.schedules, first, last),
            validation=_between(self.validation, first, last),
            auxiliary=_between(self.auxiliary, first, last),
            others=_between(self.others, first, last),
        )


def _between(others: Sequence[Curves], first: int, last: int | None) -> tuple[Curves, ...]:
    parts = (other.between(first, last) for other in others)
    return tuple(part for part in parts if part is not None)


def ranges(steps: Steps) -> list[tuple[int, int]]:
    """Returns the ranges of consecutive steps in rising steps (n,), first and last of each.

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
    with np.errstate(all="ignore"):  # a series that overflows is not judged
        mean: Floats = curves[0] if curves.shape[0] == 1 else np.mean(curves, axis=0)
    return mean


def _read_only(data: NDArray[Any]) -> NDArray[Any]:
    view: NDArray[Any] = data.view()
    view.flags.writeable = False
    return view


def align(
    baseline: Sequence[Run], candidate: Sequence[Run], *, metric: str = "loss", rank: int = 0
) -> Aligned:
    """Returns the series `metric` of `rank` of every run on their common steps.

    Where all runs share several windows, the one with the most common records is judged, the
    narrowest of equal ones. Where their windows differ, whole means are joined to means over the
    shortest interval that all of them fill; none is split or interpolated.

    Raises:
        AlignmentError: a run lacks the series, or the runs have no common step.
    """
    judged, left_out = _on_common_steps(baseline, candidate, metric, rank)
    given = {part.name: getattr(judged, part.name) for part in fields(Curves) if part.init}
    return Aligned(**given, left_out=left_out, lag=lag(judged.baseline_mean, judged.candidate_mean))


def curves(
    baseline: Sequence[Run], candidate: Sequence[Run], *, metric: str, rank: int = 0
) -> Curves:
    """Returns the aligned curves alone, without lag and other series.

    Raises:
        AlignmentError: a run lacks the series, or the runs have no common step.
    """
    return _on_common_steps(baseline, candidate, metric, rank)[0]


def _on_common_steps(
    baseline: Sequence[Run], candidate: Sequence[Run], metric: str, rank: int
) -> tuple[Curves, tuple[tuple[int, int], ...]]:
    """Returns the curves, and the other windows with their numbers of common records."""
    base = [select(run, metric, rank) for run in baseline]
    cand = [select(run, metric, rank) for run in candidate]
    window, left_out = common_window([*base, *cand])
    left = tuple(at_window(found, window) for found in base)
    right = tuple(at_window(found, window) for found in cand)
    common = shared_steps([*left, *right])
    if common.size == 0:
        raise AlignmentError(_no_common_step(baseline, candidate, left, right, metric))
    ours, theirs = _all_steps(left), _all_steps(right)
    aligned = Curves(
        metric=metric,
        rank=rank,
        window=window,
        steps=common,
        baseline=np.stack([_values_at(s, common) for s in left]),
        candidate=np.stack([_values_at(s, common) for s in right]),
        baseline_only=np.setdiff1d(ours, theirs, assume_unique=True),
        candidate_only=np.setdiff1d(theirs, ours, assume_unique=True),
        missing=_missing([*left, *right], common),
        baseline_series=left,
        candidate_series=right,
        by_order=any(metric in run.by_order for run in (*baseline, *candidate)),
    )
    return aligned, left_out


def select(run: Run, metric: str, rank: int) -> tuple[Series, ...]:
    """Returns the series of this name and rank, the narrowest window first; at least one.

    Raises:
        AlignmentError: the run lacks the series; the message lists the series that it has.
    """
    windows = run.find(metric, rank)
    if not windows:
        have: dict[str, set[int]] = {}
        for series in run.series:
            have.setdefault(series.name, set()).add(series.rank)
        listing = ", ".join(
            f"{name} (rank {', '.join(map(str, sorted(ranks)))})" for name, ranks in have.items()
        )
        msg = f"no series {metric!r} of rank {rank}; found: {listing}. Choose --metric and --rank."
        raise AlignmentError(msg, source=run.source)
    return windows


def _all_steps(series: Sequence[Series]) -> Steps:
    steps = series[0].steps
    for other in series[1:]:
        steps = np.union1d(steps, other.steps)
    return steps


def _values_at(series: Series, steps: Steps) -> Floats:
    return series.values[np.searchsorted(series.steps, steps)]


def _missing(series: Sequence[Series], common: Steps) -> Steps:
    """Returns the steps that some run lacks although its logging interval includes them.

    Only steps within the range of all runs count. A run that logs every k-th step lacks none of the
    steps in between.
    """
    first = max(int(s.steps[0]) for s in series)
    last = min(int(s.steps[-1]) for s in series)
    every = _all_steps(series)
    inside = np.setdiff1d(every[(every >= first) & (every <= last)], common, assume_unique=True)
    expected = np.ones(inside.size, dtype=bool)
    for s in series:
        stride, phase = interval(s.steps)
        expected &= (inside % stride == phase) | np.isin(inside, s.steps)
    return inside[expected]


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
