"""Distances of candidate runs from a baseline's seeds, and their p-values.

Shapes: B baseline runs, C candidate runs, F features; b and c (F,) of the runs log a feature. If
seeds are independent and normal in a feature, `(run - mean of the baseline) / (s sqrt(1 + 1 / b))`
of one more seed is Student's t with b - 1 degrees of freedom. Real seeds have heavier tails, so a
single run is not judged by that p-value alone: see `Odds`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.log.arrays import Floats
from harness.stats.signature import EQUAL, Signature

Flags = NDArray[np.bool_]

FEWEST = 5
"""Smallest number of baseline runs that show a spread."""
STRICT = 0.02
"""Fraction of the level at which a single run fails; above it, the run may be an unlucky seed."""
CONFIRM = 3.0
"""Multiple of the level at which one run confirms another."""
ASKED = 0.5
"""Fraction of the level at which the rule asks for one more run. At the whole level, 98.7 % of 600
healthy simulated ports passed; at half of it at least 99 % do, other reasons included."""
MATERIAL = 0.005
"""Smallest difference in a level of the judged series that can fail `MANY` candidate runs."""
MANY = 5
"""Number of candidate runs from which a difference must be material: so many runs show any."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """The distances of the candidate's features from the baseline's.

    `shift` (F,) is the difference of the means. `t` (F,) is its ratio to the standard error of
    predicting the mean of c runs, s sqrt(1 / b + 1 / c). `run_shift` and `run_t` (C, F) are the
    same for each run; 0 if the run does not log the series. `middle_t` (F,) is for the distance
    that more than half of the runs reach on the side of the mean, with the standard error of a
    median; 0 if that distance is on the other side.

    A feature that is equal in all baseline runs (`fixed`) has no spread. Its `shift` is that of the
    farthest candidate run, and its t is 0 if the shift is 0, otherwise infinite. For a schedule
    that is a difference. For another feature, such as an accuracy of 100 %, it decides nothing
    (`spreadless`). A feature is `judged` if at least `FEWEST` baseline runs log it.
    """

    shift: Floats
    t: Floats
    run_shift: Floats
    run_t: Floats
    middle_t: Floats
    degrees: Floats
    judged: Flags
    fixed: Flags
    spreadless: Flags

    @property
    def tests(self) -> int:
        """The number of features that vary, at least 1."""
        return max(1, int(np.count_nonzero(self.judged & ~self.fixed)))


def distances(features: Signature) -> Distances:
    """Returns the distances of a signature."""
    base, cand = features.baseline, features.candidate
    b, c = _counts(base), _counts(cand)
    judged = (b >= FEWEST) & (c >= 1)
    apart = np.where(np.isnan(cand), 0.0, cand - run_mean(base))
    farthest = np.abs(apart).argmax(axis=0)[None, :]
    spread = _spread(base)
    fixed = features.exact | (spread <= EQUAL)
    shift = np.where(
        fixed, np.take_along_axis(apart, farthest, axis=0)[0], apart.sum(axis=0) / np.maximum(c, 1)
    )

    def in_errors(value: Floats, runs: Floats | int) -> Floats:
        """Returns values (.., F), each the mean of so many runs, in standard errors."""
        error = np.where(fixed, 1.0, spread) * np.sqrt(1 / np.maximum(b, 1) + 1 / runs)
        moved = np.where(np.abs(value) > EQUAL, np.copysign(np.inf, value), 0.0)
        t: Floats = np.where(judged, np.where(fixed, moved, value / error), 0.0)
        return t

    t = in_errors(shift, np.maximum(c, 1))
    # the variance of a median is pi / 2 times that of a mean
    median_runs = np.maximum(c * 2 / math.pi, 1)
    middle = in_errors(_middle(apart, np.sign(t), ~np.isnan(cand)), median_runs)
    return Distances(
        shift=shift,
        t=t,
        run_shift=apart,
        run_t=in_errors(apart, 1),
        middle_t=np.where(np.sign(middle) == np.sign(t), middle, 0.0),
        degrees=np.minimum(np.maximum(b - 1.0, 1.0), features.tails),
        judged=judged,
        fixed=fixed,
        spreadless=np.isinf(t) & ~features.exact,
    )


def _counts(values: Floats) -> NDArray[np.int64]:
    """Returns the number of runs (F,) that log each feature, from values (N, F)."""
    counts: NDArray[np.int64] = np.count_nonzero(~np.isnan(values), axis=0)
    return counts


def run_mean(values: Floats) -> Floats:
    """Returns the means (F,) over the runs that log a feature, from values (N, F)."""
    mean: Floats = np.where(np.isnan(values), 0.0, values).sum(axis=0)
    return mean / np.maximum(_counts(values), 1)


def _spread(values: Floats) -> Floats:
    """Returns the standard deviations (F,) over the runs that log a feature, from values (N, F)."""
    apart = np.where(np.isnan(values), 0.0, values - run_mean(values))
    spread: Floats = np.sqrt((apart**2).sum(axis=0) / np.maximum(_counts(values) - 1, 1))
    return spread


def _middle(apart: Floats, side: Floats, logged: Flags) -> Floats:
    """Returns the distance (F,) to a side (F,) that more than half of the runs (C, F) reach."""
    c = np.count_nonzero(logged, axis=0)
    outwards = np.sort(np.where(logged, -side * apart, np.inf), axis=0)
    at = np.minimum(c // 2, apart.shape[0] - 1)[None, :]
    middle: Floats = np.where(c > 0, -side * np.take_along_axis(outwards, at, axis=0)[0], 0.0)
    return middle


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Odds:
    """P-values of the distances under seed variation, adjusted for all features (Bonferroni).

    `mean` (F,) is for the mean of the candidate runs; `run` (C, F) is for each run, also adjusted
    for the number of runs. `fail` (F,) is the smallest level at which a feature fails the
    candidate. A single run fails at `STRICT` of the level. More than half of the runs fail if each
    is within `CONFIRM` times the level, on the same side. The mean fails at the level if, in
    addition, the distance that more than half of the runs reach is within `CONFIRM` times the
    level, so that a few late seeds do not fail a set. `majority` is the level at which more than
    half of the runs fail, each in any feature. `immaterial` (F,) marks levels of the judged series
    that differ by less than `MATERIAL` in so many runs that they would show any difference.
    """

    mean: Floats
    run: Floats
    fail: Floats
    majority: float
    immaterial: Flags

    @property
    def least(self) -> float:
        """The smallest of all p-values and failing levels."""
        return float(min(self.mean.min(), self.run.min(), self.failing))

    @property
    def failing(self) -> float:
        """The smallest level at which the candidate fails."""
        return min(1.0, self.majority, float(self.fail.min()))


def odds(features: Signature, apart: Distances) -> Odds:
    """Returns the p-values of a signature's distances."""
    c = _counts(features.candidate)
    small = _immaterial(features, apart, c)

    def p_values(t: Floats, immaterial: Flags) -> Floats:
        from scipy.special import stdtr  # noqa: PLC0415  (takes 0.5 s, few commands need it)

        alone = 2 * stdtr(apart.degrees, -np.abs(t)) * apart.tests
        p: Floats = np.where(apart.spreadless | immaterial, 1.0, np.minimum(1.0, alone))
        return p

    raw = p_values(apart.t, np.zeros_like(small[0]))
    mean = np.where(small[0], 1.0, raw)
    run = p_values(apart.run_t, small[1:])
    middle = p_values(apart.middle_t, small[0])
    together = np.where(c > 1, np.maximum(mean, middle / CONFIRM), 1.0)
    most = _most(run, apart.run_t, c)
    most = np.where((c > 1) & (most < 1), most / CONFIRM, 1.0)  # p = 1 must not become 1 / CONFIRM
    # a schedule has no spread: a single run that differs is enough
    single = np.where(apart.fixed, run.min(axis=0), np.where(c > 1, 1.0, run.min(axis=0) / STRICT))
    own = np.sort(run.min(axis=1))  # the smallest p-value of each run, in any feature
    half = own.size // 2
    return Odds(
        mean=mean,
        run=np.minimum(1.0, run * c),
        fail=np.minimum(single, np.minimum(together, most)),
        majority=float(own[half]) * own.size if own.size > 1 else 1.0,
        immaterial=small[0] & (raw < mean),
    )


def _immaterial(features: Signature, apart: Distances, c: NDArray[np.int64]) -> Flags:
    """Returns flags (1 + C, F): whether the mean, and each run, differs too little to matter."""
    level = np.array([f.judged and f.kind in {"first", "level", "last"} for f in features.features])
    shift = np.vstack([apart.shift, apart.run_shift])
    # capped against overflow: a shift of 1 or more is material in any case
    part = np.where(features.logs, np.expm1(np.minimum(shift, 1.0)), shift)
    flags: Flags = level & ~apart.fixed & (c >= MANY) & (np.abs(part) < MATERIAL)
    return flags


def _most(run: Floats, t: Floats, c: NDArray[np.int64]) -> Floats:
    """Returns the p-value (F,) that more than half of the runs, at least two, reach on one side."""
    both = [np.sort(np.where(np.sign(t) == side, run, 1.0), axis=0) for side in (-1.0, 1.0)]
    at = np.minimum(c // 2, run.shape[0] - 1)[None, :]
    least = np.minimum(*(np.take_along_axis(p, at, axis=0)[0] for p in both))
    return np.asarray(least)
