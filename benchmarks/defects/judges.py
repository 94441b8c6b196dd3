"""Who judges the corpus: every judge of the harness, the default policy, and a speed test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned, align
from harness.align.auxiliary import with_auxiliary
from harness.comparison.judge import Policy
from harness.comparison.judges import judges as comparison_judges
from harness.comparison.pipeline import compare
from harness.log.run import Run
from harness.rules import Verdict
from harness.stats.power import two_sided_t

LEVEL = 0.05
SMOOTH = 20
TARGET = 0.8
"""The target loss lies where the baseline's smoothed mean curve has done this part of its fall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One comparison: the runs of both sides, the facts waived, and the aligned loss."""

    baseline: tuple[Run, ...]
    candidate: tuple[Run, ...]
    waived: tuple[str, ...]
    aligned: Aligned


def case(baseline: Sequence[Run], candidate: Sequence[Run], waived: Sequence[str] = ()) -> Case:
    """A comparison of the loss, with what else both sides logged."""
    whole = with_auxiliary(align(baseline, candidate), baseline, candidate)
    return Case(
        baseline=tuple(baseline), candidate=tuple(candidate), waived=tuple(waived), aligned=whole
    )


Judge = Callable[[Case], Verdict]
LEFT_OUT = frozenset({"equivalence 0.5 %"})
"""Too narrow to decide on the corpus: its seeds differ by several times this margin."""


def judges() -> Mapping[str, Judge]:
    """Returns the judges by the names that the table shows.

    The first is what `harness compare` says by default; the last is a convention of benchmarks.
    """

    def about_loss(name: str) -> Judge:
        return lambda one: rules[name](one.aligned)

    rules = comparison_judges()
    shown = {name: about_loss(name) for name in rules if name not in LEFT_OUT}
    return {"default policy": _default, **shown, "steps to target, two-sample t": _steps_to_target}


def _default(one: Case) -> Verdict:
    return compare(one.baseline, one.candidate, Policy(allow=one.waived)).verdict


def _steps_to_target(one: Case) -> Verdict:
    """Student's t-test on the steps until the smoothed loss reaches a target, at 5 %.

    A candidate that never reaches it fails; fewer than three runs in all cannot tell.
    """
    if one.aligned.steps.size < SMOOTH:
        return Verdict.INCONCLUSIVE
    mean = _smoothed(one.aligned.baseline_mean[None, :])[0]
    target = mean[0] + TARGET * (mean.min() - mean[0])
    base = _first_below(one.aligned.baseline, target)
    cand = _first_below(one.aligned.candidate, target)
    degrees = base.size + cand.size - 2
    if not np.isfinite(cand).all():
        return Verdict.FAIL
    if degrees < 1 or not np.isfinite(base).all():
        return Verdict.INCONCLUSIVE
    squares = ((base - base.mean()) ** 2).sum() + ((cand - cand.mean()) ** 2).sum()
    error = np.sqrt(squares / degrees * (1 / base.size + 1 / cand.size))
    apart = abs(float(cand.mean() - base.mean()))
    return Verdict.PASS if apart <= two_sided_t(LEVEL, degrees) * error else Verdict.FAIL


def _smoothed(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the last `SMOOTH` records, from curves (N, n)."""
    return np.lib.stride_tricks.sliding_window_view(curves, SMOOTH, axis=1).mean(axis=2)


def _first_below(curves: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """The first smoothed record of each curve at or below the target; infinite if none is."""
    below = _smoothed(curves) <= target
    return np.where(below.any(axis=1), below.argmax(axis=1).astype(float), np.inf)
