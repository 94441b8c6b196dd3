"""The largest difference of an end result that the runs leave possible, and runs to narrow it.

An end result is the judged series' last level or a last validation figure. With d the observed
difference and s the spread of the baseline's seeds, |d| + t s sqrt(1 / b + 1 / c) bounds the true
one with 90 % confidence on either side (Student's t, b - 1 degrees of freedom; seeds normal in it
and of one spread on both sides). Which end result is bounded, the baseline's spread decides alone:
choosing by d would break the promise.
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
"""How often a port without any difference passes with the number of runs that is advised."""
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What is ruled out: a difference of `words` by the fraction `reached` or more.

    `spread` is that of one run of the baseline, a fraction (of logarithms where `logs`).
    """

    reached: float
    words: str
    spread: float
    logs: bool
    baseline_runs: int
    candidate_runs: int

    def runs_needed(self, resolution: float) -> tuple[int, int]:
        """Runs of the baseline and the candidate that would show a resolution; (0, 0) if none.

        More of the baseline are tried first, then more on both sides. With them a port without any
        difference would pass with probability `OFTEN`.
        """
        goal = math.log1p(resolution) if self.logs else resolution
        b, c = self.baseline_runs, self.candidate_runs
        more_seeds = ((n, c) for n in range(b + 1, MOST))
        more_of_both = ((max(n, b), max(n, c)) for n in range(min(b, c) + 1, MOST))
        for runs in (*more_seeds, *more_of_both):
            if _typical_bound(self.spread, *runs) <= goal:
                return runs
        return 0, 0


def resolution_of(found: Signature) -> Resolution:
    """What the runs rule out, in the end result whose seeds lie closest together.

    A figure that is the same in every seed tells nothing of differences, unless there is no other.
    """
    every = [_of(found, column) for column in found.ends]
    enough = [one for one in every if one.baseline_runs >= FEWEST and one.candidate_runs >= 1]
    moving = [one for one in enough if one.spread > EQUAL]
    return min(moving or enough or every, key=lambda one: one.spread)


def _of(found: Signature, column: int) -> Resolution:
    feature = found.features[column]
    base, cand = (
        side[~np.isnan(side[:, column]), column] for side in (found.baseline, found.candidate)
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
    """The larger size of d - half and d + half, of logarithms as plain fractions."""
    if logs:
        return max(abs(math.expm1(min(d + half, 700.0))), abs(math.expm1(d - half)))
    return abs(d) + half


def _t(part: float, runs: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415  (half a second, few commands need it)

    return float(stdtrit(runs - 1, part))


def _typical_bound(spread: float, b: int, c: int) -> float:
    """The bound that a port without a difference stays below with probability `OFTEN`."""
    likely = _t((1 + OFTEN) / 2, b) + _t(CONFIDENCE, b)
    return likely * spread * spread_factor(b, c)


def judged_differences(aligned: Aligned, found: Signature) -> tuple[float, float]:
    """The observed differences of the judged series: of its last level, and of its whole mean.

    Fractions of the baseline's, signed; NaN where the baseline's is zero.
    """
    last = next(i for i in found.ends if found.features[i].judged)
    base, cand = (float(side[:, last].mean()) for side in (found.baseline, found.candidate))
    unit = to_unit(aligned)
    means = float(unit.baseline.mean()), float(unit.candidate.mean())
    size = float(np.abs(unit.baseline).mean())  # that of the mean, unless the series crosses zero
    whole = (means[1] - means[0]) / size if size else math.nan
    if found.features[last].logs:
        return math.expm1(min(cand - base, 700.0)), whole
    return (cand - base) / abs(base) if base else math.nan, whole
