"""The resolution: the smallest difference of an end result that the runs rule out.

An end result is the last level of the judged series, or a last validation result. With d the
observed difference and s the spread of the baseline's seeds, |d| + t s sqrt(1 / b + 1 / c) bounds
the true difference with 90 % confidence on each side (Student's t, b - 1 degrees of freedom).
Assumes that seeds are normal with the same spread on both sides. Only the baseline's spread decides
which end result is bounded: a choice that depends on d would lower the confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned
from harness.align.scale import to_unit
from harness.stats.power import spread_factor
from harness.stats.seeds import FEWEST
from harness.stats.signature import EQUAL, Signature

CONFIDENCE = 0.9
OFTEN = 0.9
"""Probability that a port without a difference passes with the number of runs that is advised."""
MOST = 200
"""Largest number of runs that is advised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The statement that a difference of `words` by the fraction `reached` or more is ruled out.

    `spread` is the spread of one baseline run, as a fraction, or of logarithms if `logs`.
    """

    reached: float
    words: str
    spread: float
    logs: bool
    baseline_runs: int
    candidate_runs: int

    def runs_needed(self, resolution: float) -> tuple[int, int]:
        """Returns the baseline and candidate runs that would reach a resolution; (0, 0) if none.

        Tries more baseline runs first, then more runs on both sides. With that number of runs, a
        port without a difference passes with probability `OFTEN`.
        """
        goal = math.log1p(resolution) if self.logs else resolution
        b, c = self.baseline_runs, self.candidate_runs
        more_seeds = ((n, c) for n in range(b + 1, MOST))
        more_of_both = ((max(n, b), max(n, c)) for n in range(min(b, c) + 1, MOST))
        for runs in (*more_seeds, *more_of_both):
            if _typical_bound(self.spread, *runs) <= goal:
                return runs
        return 0, 0


def resolution_of(features: Signature) -> Resolution:
    """Returns the resolution in the end result with the smallest spread between seeds.

    An end result that is equal in all seeds is used only if there is no other.
    """
    every = [_of(features, column) for column in features.ends]
    enough = [end for end in every if end.baseline_runs >= FEWEST and end.candidate_runs >= 1]
    varying = [end for end in enough if end.spread > EQUAL]
    return min(varying or enough or every, key=lambda end: end.spread)


def _of(features: Signature, column: int) -> Resolution:
    feature = features.features[column]
    base, cand = (
        side[~np.isnan(side[:, column]), column] for side in (features.baseline, features.candidate)
    )
    b, c = base.size, cand.size
    size = 1.0 if feature.logs else abs(float(base.mean()))
    spread = float(base.std(ddof=1)) / size if b > 1 and size else math.inf
    reached = math.inf
    if c and math.isfinite(spread):
        d = float(cand.mean() - base.mean()) / size
        reached = _bound(d, _t(CONFIDENCE, b) * spread * spread_factor(b, c), logs=feature.logs)
    return Resolution(
        reached=reached, words=feature.words, spread=spread,
        logs=feature.logs, baseline_runs=b, candidate_runs=c,
    )  # fmt: skip


def _bound(d: float, half: float, *, logs: bool) -> float:
    """Returns the larger of |d - half| and |d + half|; logarithms become plain fractions."""
    if logs:  # exp(700) is near the largest float
        return max(abs(math.expm1(min(d + half, 700.0))), abs(math.expm1(d - half)))
    return abs(d) + half


def _t(part: float, runs: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415  (takes 0.5 s, few commands need it)

    return float(stdtrit(runs - 1, part))


def _typical_bound(spread: float, b: int, c: int) -> float:
    """Returns the bound that a port without a difference keeps with probability `OFTEN`."""
    likely = _t((1 + OFTEN) / 2, b) + _t(CONFIDENCE, b)
    return likely * spread * spread_factor(b, c)


def judged_differences(aligned: Aligned, features: Signature) -> tuple[float, float]:
    """Returns the observed differences of the judged series in its last level and its mean.

    Signed fractions of the baseline's value; NaN if that is zero.
    """
    last = next(i for i in features.ends if features.features[i].judged)
    base, cand = (float(side[:, last].mean()) for side in (features.baseline, features.candidate))
    unit = to_unit(aligned)
    means = float(unit.baseline.mean()), float(unit.candidate.mean())
    size = float(np.abs(unit.baseline).mean())  # |mean| would vanish if the series crosses zero
    whole = (means[1] - means[0]) / size if size else math.nan
    if features.features[last].logs:
        return math.expm1(min(cand - base, 700.0)), whole
    return (cand - base) / abs(base) if base else math.nan, whole
