"""How far candidate runs lie from a baseline's seeds, and how likely a seed lies so far.

B baseline runs, C candidate runs, F features; b and c (F,) of them log a feature. A run that is one
more seed has `(run - mean of the baseline) / (s sqrt(1 + 1 / b))` as Student's t with b - 1 degrees
of freedom, if seeds are independent and normal in a feature. They are not quite, so one run alone
is not judged by that tail: see `Odds`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.signature import EQUAL, Signature

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEWEST = 5
"""Baseline runs that show a spread."""
STRICT = 0.02
"""Part of the level at which a single run fails by itself: its tail may be an unlucky seed's."""
CONFIRM = 3.0
"""Times the level at which a run bears out another."""
ASKED = 0.5
"""Part of the level at which one more run is asked for: so rarely that 99 % of healthy ports pass,
what else bars a pass included. At the whole level 98.7 % of 600 simulated ones did."""
MATERIAL = 0.005
"""Difference of a level of the judged series that several runs must show at least."""
MANY = 5
"""Candidate runs from which on a difference must be material: so many show any."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """How far the candidate's features lie from the baseline's.

    `shift` (F,) is the difference of the means, `t` its ratio to the standard error of predicting
    the mean of so many runs, s sqrt(1 / b + 1 / c). `run_shift` and `run_t` (C, F) are those of
    each run, 0 where it does not log the series; `middle_t` is that of the distance that more than
    half of the runs have at least, on the side of the mean, with the standard error of a median; 0
    where it lies on the other side. A feature that is the same in all baseline runs (`fixed`) shows
    no spread: `shift` is that of the farthest candidate run, and t = 0 where it is none, else
    infinity. That is a difference where the feature is a schedule; another that happens to be the
    same, as an accuracy of 100 %, leaves the question open (`spreadless`). Features that fewer than
    `FEWEST` baseline runs log are not `judged`.
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


def distances(found: Signature) -> Distances:
    """The distances of a signature."""
    base, cand = found.baseline, found.candidate
    b, c = _counts(base), _counts(cand)
    judged = (b >= FEWEST) & (c >= 1)
    apart = np.where(np.isnan(cand), 0.0, cand - run_mean(base))
    farthest = np.abs(apart).argmax(axis=0)[None, :]
    spread = _spread(base)
    fixed = found.exact | (spread <= EQUAL)
    shift = np.where(
        fixed, np.take_along_axis(apart, farthest, axis=0)[0], apart.sum(axis=0) / np.maximum(c, 1)
    )

    def in_errors(value: Floats, runs: Floats | int) -> Floats:
        """Values (.., F) that are means of so many runs, in standard errors."""
        error = np.where(fixed, 1.0, spread) * np.sqrt(1 / np.maximum(b, 1) + 1 / runs)
        moved = np.where(np.abs(value) > EQUAL, np.copysign(np.inf, value), 0.0)
        t: Floats = np.where(judged, np.where(fixed, moved, value / error), 0.0)
        return t

    t = in_errors(shift, np.maximum(c, 1))
    middle = in_errors(_middle(apart, np.sign(t), ~np.isnan(cand)), np.maximum(c * 2 / math.pi, 1))
    return Distances(
        shift=shift,
        t=t,
        run_shift=apart,
        run_t=in_errors(apart, 1),
        middle_t=np.where(np.sign(middle) == np.sign(t), middle, 0.0),
        degrees=np.minimum(np.maximum(b - 1.0, 1.0), found.tails),
        judged=judged,
        fixed=fixed,
        spreadless=np.isinf(t) & ~found.exact,
    )


def _counts(values: Floats) -> NDArray[np.int64]:
    """How many runs (F,) log each feature, from values (N, F)."""
    counts: NDArray[np.int64] = np.count_nonzero(~np.isnan(values), axis=0)
    return counts


def run_mean(values: Floats) -> Floats:
    """Means (F,) over the runs that log a feature, from values (N, F)."""
    mean: Floats = np.where(np.isnan(values), 0.0, values).sum(axis=0)
    return mean / np.maximum(_counts(values), 1)


def _spread(values: Floats) -> Floats:
    """Standard deviations (F,) over the runs that log a feature, from values (N, F)."""
    apart = np.where(np.isnan(values), 0.0, values - run_mean(values))
    spread: Floats = np.sqrt((apart**2).sum(axis=0) / np.maximum(_counts(values) - 1, 1))
    return spread


def _middle(apart: Floats, side: Floats, logged: Flags) -> Floats:
    """Shape (F,): how far more than half of the runs (C, F) lie to a side (F,) at least."""
    c = np.count_nonzero(logged, axis=0)
    outwards = np.sort(np.where(logged, -side * apart, np.inf), axis=0)
    at = np.minimum(c // 2, apart.shape[0] - 1)[None, :]
    middle: Floats = np.where(c > 0, -side * np.take_along_axis(outwards, at, axis=0)[0], 0.0)
    return middle


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Odds:
    """How likely seeds alone lie so far, with the features counted (Bonferroni).

    `mean` (F,) is the p-value of the mean of the candidate runs, `run` (C, F) of each run, times
    the number of runs. `fail` (F,) is the smallest level at which a feature fails the candidate:
    one run by itself at `STRICT` of the level; or more than half of the runs, each within `CONFIRM`
    times the level and on one side; or the mean, if the distance that more than
    half of the runs have at least is within `CONFIRM` times the level too, so that a few late seeds
    fail no set. `several` is that of
    more than half of the runs, each by any feature. `immaterial` (F,) are levels of the judged
    series that differ by less than `MATERIAL`, where so many runs would show any difference.
    """

    mean: Floats
    run: Floats
    fail: Floats
    several: float
    immaterial: Flags

    @property
    def least(self) -> float:
        """The smallest p-value of the mean, of a run, or of what fails."""
        return float(min(self.mean.min(), self.run.min(), self.failing))

    @property
    def failing(self) -> float:
        """The smallest level at which the candidate fails."""
        return min(1.0, self.several, float(self.fail.min()))


def odds(found: Signature, apart: Distances) -> Odds:
    """The odds of a signature's distances."""
    c = _counts(found.candidate)
    small = _immaterial(found, apart, c)

    def p_values(t: Floats, immaterial: Flags) -> Floats:
        from scipy.special import stdtr  # noqa: PLC0415  (half a second, few commands need it)

        alone = 2 * stdtr(apart.degrees, -np.abs(t)) * apart.tests
        p: Floats = np.where(apart.spreadless | immaterial, 1.0, np.minimum(1.0, alone))
        return p

    raw = p_values(apart.t, np.zeros_like(small[0]))
    mean = np.where(small[0], 1.0, raw)
    run = p_values(apart.run_t, small[1:])
    middle = p_values(apart.middle_t, small[0])
    together = np.where(c > 1, np.maximum(mean, middle / CONFIRM), 1.0)
    most = _most(run, apart.run_t, c)
    most = np.where((c > 1) & (most < 1), most / CONFIRM, 1.0)
    single = np.where(apart.fixed, run.min(axis=0), np.where(c > 1, 1.0, run.min(axis=0) / STRICT))
    own = np.sort(run.min(axis=1))
    half = own.size // 2
    return Odds(
        mean=mean,
        run=np.minimum(1.0, run * c),
        fail=np.minimum(single, np.minimum(together, most)),
        several=float(own[half]) * own.size if own.size > 1 else 1.0,
        immaterial=small[0] & (raw < mean),
    )


def _immaterial(found: Signature, apart: Distances, c: NDArray[np.int64]) -> Flags:
    """Shape (1 + C, F): where the mean, and each run, differs by too little to matter."""
    level = np.array([f.judged and f.kind in {"first", "level", "last"} for f in found.features])
    shift = np.vstack([apart.shift, apart.run_shift])
    part = np.where(found.logs, np.expm1(np.minimum(shift, 1.0)), shift)
    flags: Flags = level & ~apart.fixed & (c >= MANY) & (np.abs(part) < MATERIAL)
    return flags


def _most(run: Floats, t: Floats, c: NDArray[np.int64]) -> Floats:
    """The p-value (F,) within which more than half of the runs, at least two, lie on one side."""
    both = [np.sort(np.where(np.sign(t) == side, run, 1.0), axis=0) for side in (-1.0, 1.0)]
    at = np.minimum(c // 2, run.shape[0] - 1)[None, :]
    least = np.minimum(*(np.take_along_axis(p, at, axis=0)[0] for p in both))
    return np.asarray(least)
