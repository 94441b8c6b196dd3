"""A confidence interval for the relative difference of mean levels: (mean c - mean b) / |mean b|.

It is a ratio of means, not a mean of ratios: if a loss varies by 30 % from step to step, noise
alone makes the mean of c / b exceed 1 (Jensen's inequality), by about 9 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.log.arrays import Floats
from harness.stats.blocks import automatic_length, error_of_mean

OWN_SPREAD = 5
"""Number of runs from which a side's spread is estimated from that side alone."""
DEGREE = 2
"""Degree of the trend that is removed from a pair's difference before its noise is measured."""
STRETCH = 2.5
"""Factor on the automatic block length; see `from_pair`."""
SHORT = 200
"""Number of steps below which blocks may take a fifth of a curve instead of a sixth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its standard error and degrees of freedom; fractions of the baseline."""

    estimate: float
    error: float
    degrees: float

    def bounds(self, confidence: float) -> tuple[float, float]:
        """Returns the two-sided interval of Student's t at this confidence."""
        from scipy.special import stdtrit  # noqa: PLC0415  (takes 0.5 s, few commands need it)

        half = float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error
        return self.estimate - half, self.estimate + half

    def p_within(self, margin: float) -> float:
        """Returns the one-sided p-value of |difference| <= margin.

        A small value is evidence that the difference is larger.
        """
        from scipy.special import stdtr  # noqa: PLC0415

        excess = abs(self.estimate) - margin
        if self.error == 0:
            return float(excess <= 0)
        return float(stdtr(self.degrees, -excess / self.error))


def from_runs(baseline: Floats, candidate: Floats) -> Interval:
    """Returns the interval from runs (B, n) and (C, n), at least three in all. It covers seeds.

    The mean of each run is one observation, assumed independent and near normal; the delta method
    gives the spread of the ratio. With five runs or more on both sides, the spreads may differ
    (Welch's t). With fewer, both sides are assumed to spread by the same fraction, as those of a
    good port do (Student's pooled t; for a single run, a prediction interval).
    """
    base, cand = baseline.mean(axis=1), candidate.mean(axis=1)
    b, c = base.size, cand.size
    ratio = float(cand.mean()) / float(base.mean())
    squares = [float(((side / (side.mean() or 1.0) - 1) ** 2).sum()) for side in (base, cand)]
    if min(b, c) < OWN_SPREAD:
        pooled = sum(squares) / (b + c - 2)
        error = abs(ratio) * math.sqrt(pooled * (1 / b + 1 / c))
        return Interval(estimate=_relative(ratio, base), error=error, degrees=b + c - 2)
    shares = [s / (n - 1) / n for s, n in zip(squares, (b, c), strict=True)]
    total = sum(shares)
    spread = sum(s**2 / (n - 1) for s, n in zip(shares, (b, c), strict=True))
    degrees = total**2 / spread if spread > 0 else b + c - 2
    error = abs(ratio) * math.sqrt(total)
    return Interval(estimate=_relative(ratio, base), error=error, degrees=degrees)


def _relative(ratio: float, baseline: Floats) -> float:
    """Returns the relative difference for a ratio of means, signed as candidate minus baseline."""
    return math.copysign(1.0, float(baseline.mean())) * (ratio - 1)


def from_pair(baseline: Floats, candidate: Floats, *, overlap: int = 1) -> Interval:
    """Returns the interval from one run per side, (n,) each. It covers the noise of the steps.

    The noise is c - (1 + d) b without a quadratic trend, where d is the estimate. The standard
    error is that of the noise's mean under a circular block bootstrap (`blocks`). The blocks are
    2.5 times the automatic length for the variance, because an interval needs longer blocks than a
    variance (Sun, Phillips & Jin 2008). They have at least sqrt(n) records, and at least `overlap`,
    the records that share steps in a logged mean. There are n / block blocks, of which the trend
    takes three: the variance is divided by 1 - 3 block / n, and the interval is Student's with
    n / block - 3 degrees of freedom. `docs/explanation/statistics.md` reports the coverage. The
    interval does not cover seed variation, which one run cannot show.
    """
    n = baseline.size
    level = float(baseline.mean())
    ratio = float(candidate.mean()) / level
    noise = _without_trend((candidate - ratio * baseline) / level)
    if not float(np.abs(noise).max()) > 0:  # proportional curves, such as a copy
        estimate = _relative(ratio, baseline)
        return Interval(estimate=estimate, error=0.0, degrees=n - 1 - DEGREE)
    block = block_length(noise, least=max(overlap, math.isqrt(n)))
    lost = (DEGREE + 1) * block / n
    error = error_of_mean(noise, block) / math.sqrt(1 - lost)
    degrees = max(1.0, n / block - 1 - DEGREE)
    return Interval(estimate=_relative(ratio, baseline), error=error, degrees=degrees)


def block_length(noise: Floats, *, least: int) -> int:
    """Returns 2.5 times Politis & White's length for the circular bootstrap, at least `least`.

    At most a sixth of the values; a fifth of fewer than 200, in which autocorrelation shows less.
    """
    automatic = automatic_length(noise)
    most = max(1, noise.size // (6 if noise.size >= SHORT else 5))
    if not math.isfinite(automatic):
        return most
    return min(most, max(least, math.ceil(STRETCH * automatic)))


def _without_trend(values: Floats) -> Floats:
    """Returns values (n,) minus their least-squares polynomial in time."""
    time = np.linspace(-1, 1, values.size)
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(time, DEGREE))
    rest: Floats = values - basis @ (basis.T @ values)
    return rest
