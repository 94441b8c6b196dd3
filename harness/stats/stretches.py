"""The levels of a curve in three stretches, with the spread between seeds by a moderated variance.

A level is the mean of a stretch without its lowest and highest tenth. Differences are logarithms of
ratios. With few runs the spread between seeds is hardly known, but most of it is the noise of the
records, which one run shows. So the variance of runs is moderated (Smyth 2004, Statistical
Applications in Genetics and Molecular Biology 3): with s the spread of b + c - 2 degrees of freedom
on both sides, s0 the prior spread of `seed_prior.py` and d0 its degrees of freedom,

    (d0 s0^2 + (b + c - 2) s^2) / (d0 + b + c - 2)

has d0 + b + c - 2 degrees of freedom. Assumes independent, near normal levels with the same
relative spread on both sides.

In a chaotic task seeds spread by many times what the noise predicts, and by about as many times in
every stretch. The widest error therefore takes the largest ratio s / s0 of the stretches for all of
them, without the prior and with b + c - 2 degrees of freedom.

Shapes: N runs, b of the baseline and c of the candidate; n records.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned
from harness.log.arrays import Floats
from harness.stats.seed_prior import PRIOR, Prior
from harness.stats.signature import EQUAL, STRETCHES, TRIMMED, trimmed_mean, words_of

FIRST = 3
"""The first judged stretch begins at 15 % of the steps; before that, a level measures a slope."""
BATCHES = 10
TINY = 1e-300
"""Smallest ratio of levels; a candidate's level of another sign than the baseline's has this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The difference of the levels in a stretch and its moderated standard error.

    `shift` is log(candidate / baseline), `error` and `widest` are in the same unit. `sign` is that
    of the levels. `widest` is NaN and `own_degrees` 0 for one run per side.
    """

    words: str
    sign: float
    shift: float
    error: float
    degrees: float
    widest: float
    own_degrees: int

    @property
    def part(self) -> float:
        """The difference over the baseline's size, positive if the candidate is higher."""
        return self.sign * expm1(self.shift)

    @property
    def t(self) -> float:
        """The difference in standard errors; 0 for equal levels without an error."""
        return self._in(self.error)

    @property
    def p_value(self) -> float:
        """The two-sided p-value of Student's t."""
        return _two_sided(self.t, self.degrees)

    @property
    def p_widest(self) -> float:
        """The two-sided p-value by the widest error of the runs; 1 for one run per side."""
        return _two_sided(self._in(self.widest), self.own_degrees) if self.own_degrees else 1.0

    def _in(self, error: float) -> float:
        if error > 0:
            return abs(self.shift) / error
        return math.inf if abs(self.shift) > EQUAL else 0.0

    def bounds(self, confidence: float) -> tuple[float, float]:
        """Returns the two-sided interval of the difference at this confidence, as fractions."""
        from scipy.special import stdtrit  # noqa: PLC0415

        half = float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error
        ends = sorted(self.sign * expm1(self.shift + side) for side in (-half, half))
        return ends[0], ends[1]


def _two_sided(t: float, degrees: float) -> float:
    from scipy.special import stdtr  # noqa: PLC0415  (takes 0.5 s, few commands need it)

    return float(2 * stdtr(degrees, -t))


def expm1(value: float) -> float:
    """Returns e^value - 1; above 700 that of 700, because e^710 overflows.

    >>> expm1(0.0), expm1(1e6) < math.inf
    (0.0, True)
    """
    return math.expm1(min(value, 700.0))


def log_ratio(candidate: float, baseline: float) -> float:
    """Returns the logarithm of a ratio of levels; a large negative one for levels of other signs.

    >>> log_ratio(-2.0, -1.0) == math.log(2), log_ratio(1.0, -1.0) < -600
    (True, True)
    """
    return math.log(max(candidate / baseline, TINY))


def stretches(aligned: Aligned, prior: Prior = PRIOR) -> tuple[Stretch, ...]:
    """Returns the three last stretches of finite curves of one sign with 50 records or more."""
    sides = [
        (aligned.baseline[:, cut], aligned.candidate[:, cut]) for cut in cuts(aligned.steps.size)
    ]
    pairs = [(levels(base), levels(cand)) for base, cand in sides]
    before = [prior.ratio * noise_error(base) for base, _ in sides]
    squares = [_squares(base) + _squares(cand) for base, cand in pairs]
    b, c = aligned.baseline.shape[0], aligned.candidate.shape[0]
    own = b + c - 2
    scale, degrees = math.sqrt(1 / b + 1 / c), prior.degrees + own
    ratios = [
        math.sqrt(q / own) / max(e, TINY) if own else math.nan
        for q, e in zip(squares, before, strict=True)
    ]
    return tuple(
        Stretch(
            words=words_of(f"{aligned.metric}: level {i}"),
            sign=math.copysign(1.0, float(base.mean())),
            shift=log_ratio(float(cand.mean()), float(base.mean())),
            error=math.sqrt((prior.degrees * e**2 + q) / degrees) * scale,
            degrees=degrees,
            widest=e * max(ratios) * scale,
            own_degrees=own,
        )
        for i, ((base, cand), e, q) in enumerate(zip(pairs, before, squares, strict=True), FIRST)
    )


def _squares(side: Floats) -> float:
    """Returns the sum of squares between the levels (N,) of a side, relative to their mean."""
    return float(((side / (side.mean() or 1.0) - 1) ** 2).sum())


def cuts(n: int) -> list[slice]:
    """Returns the three judged stretches of n records.

    >>> cuts(100)[-1]
    slice(65, 100, None)
    """
    bounds = [round(part * n) for part in STRETCHES[FIRST - 1 :]]
    return [slice(start, end) for start, end in itertools.pairwise(bounds)]


def levels(values: Floats) -> Floats:
    """Returns the levels (N,) of a stretch (N, n)."""
    return trimmed_mean(values, low=TRIMMED, high=TRIMMED)


def noise_error(values: Floats) -> float:
    """Returns the batch-means error of a run's level in a stretch (N, n), n >= 5, as a fraction.

    It is the root mean square over the runs.
    """
    return float(np.sqrt((batch_means(values) ** 2).mean()))


def batch_means(values: Floats) -> Floats:
    """Returns the standard errors (N,) of the mean of a stretch (N, n), n >= 5, as fractions.

    The rest after a linear trend is cut into 10 batches, or n if there are fewer records. Their
    means have two degrees of freedom less than there are batches.
    """
    n = values.shape[1]
    count = min(BATCHES, n)
    edges = np.linspace(0, n, count + 1).round().astype(int)
    rest = without_line(values)
    means = np.stack([rest[:, a:z].mean(axis=1) for a, z in itertools.pairwise(edges)], axis=1)
    errors: Floats = np.sqrt((means**2).sum(axis=1) / (count - 2) / count)
    size: Floats = np.abs(values.mean(axis=1))
    return errors / size


def without_line(values: Floats) -> Floats:
    """Returns curves (N, n) minus their least-squares lines."""
    time = np.linspace(-1, 1, values.shape[1])
    centred = values - values.mean(axis=1, keepdims=True)
    rest: Floats = centred - np.outer(centred @ time / (time @ time), time)
    return rest


def roughness(values: Floats) -> float:
    """Returns how much neighbouring records differ, from curves (N, n) of one sign: the median run.

    It is the root of von Neumann's ratio: the root mean square of the changes, over sqrt(2) times
    the spread around a line, in the last stretch. Independent records have 1, a running mean over
    w records about sqrt(1 / w), a smooth curve 0. 0 for a curve without noise.
    """
    rest = without_line(values[:, cuts(values.shape[1])[-1]])
    spread = np.sqrt((rest**2).mean(axis=1))
    moves = np.sqrt((np.diff(rest, axis=1) ** 2).mean(axis=1) / 2)
    size = np.abs(values).max(axis=1)
    parts = np.where(spread > EQUAL * size, moves / np.maximum(spread, np.finfo(float).tiny), 0.0)
    return float(np.median(parts))
