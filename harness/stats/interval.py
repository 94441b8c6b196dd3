"""An interval for the relative difference of two mean levels: (mean c - mean b) / |mean b|.

A ratio of means, not a mean of ratios: with a loss that moves by 30 % from step to step, the mean
of c / b exceeds 1 by the noise alone (Jensen's inequality), near 9 % here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.blocks import automatic_length, error_of_mean

Floats = NDArray[np.float64]

OWN_SPREAD = 5
"""Runs from which a side shows a spread of its own."""
DEGREE = 2
"""Degree of the trend that is taken out of a pair's difference before its noise is measured."""
STRETCH = 2.5
SHORT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its standard error and degrees of freedom; fractions of the baseline."""

    estimate: float
    error: float
    degrees: float

    def bounds(self, confidence: float) -> tuple[float, float]:
        """The two-sided interval of Student's t at this confidence."""
        from scipy.special import stdtrit  # noqa: PLC0415  (half a second, few commands need it)

        half = float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error
        return self.estimate - half, self.estimate + half

    def p_within(self, margin: float) -> float:
        """One-sided p-value of |difference| <= margin: small is evidence that it is larger."""
        from scipy.special import stdtr  # noqa: PLC0415

        excess = abs(self.estimate) - margin
        if self.error == 0:
            return float(excess <= 0)
        return float(stdtr(self.degrees, -excess / self.error))


def from_runs(baseline: Floats, candidate: Floats) -> Interval:
    """The interval from runs (B, n) and (C, n), three or more in all; seeds are what varies.

    The mean of each run is one observation, independent and near normal; the delta method gives the
    spread of a ratio. With five runs or more on both sides their spreads may differ (Welch's t).
    A smaller side cannot show its own: both are taken to spread by the same fraction, as two sides
    of a good port do (Student's pooled t, a prediction interval where one run stands alone).
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
    """The relative difference that a ratio of means is, signed as candidate minus baseline."""
    return math.copysign(1.0, float(baseline.mean())) * (ratio - 1)


def from_pair(baseline: Floats, candidate: Floats, *, overlap: int = 1) -> Interval:
    """The interval from one run a side, (n,) each; the noise of the steps is what varies.

    The noise is what is left of c - (1 + d) b, d the estimate, without a quadratic trend. The
    standard error is that of its mean under a circular block bootstrap (`blocks`). Its blocks are
    2.5 times the automatic choice for the variance, since a good interval needs longer blocks than
    a good variance (Sun, Phillips & Jin 2008); at least the root of n; and at least `overlap`
    records, over which a logged mean repeats itself. Blocks this long leave n / block of them to
    learn from, less three for the trend: the variance is divided by 1 - 3 block / n, and the
    interval is Student's with n / block - 3 degrees of freedom. `docs/explanation/statistics.md`
    has the coverage that this gives. Seed-to-seed spread is not in it: one run cannot show it.
    """
    n = baseline.size
    level = float(baseline.mean())
    ratio = float(candidate.mean()) / level
    noise = _without_trend((candidate - ratio * baseline) / level)
    if not float(np.abs(noise).max()) > 0:
        estimate = _relative(ratio, baseline)
        return Interval(estimate=estimate, error=0.0, degrees=n - 1 - DEGREE)
    block = block_length(noise, least=max(overlap, math.isqrt(n)))
    lost = (DEGREE + 1) * block / n
    error = error_of_mean(noise, block) / math.sqrt(1 - lost)
    degrees = max(1.0, n / block - 1 - DEGREE)
    return Interval(estimate=_relative(ratio, baseline), error=error, degrees=degrees)


def block_length(noise: Floats, *, least: int) -> int:
    """2.5 times Politis & White's choice for the circular bootstrap, `least` or more.

    At most a sixth of the values; of fewer than 200, which show less of their memory, a fifth.
    """
    found = automatic_length(noise)
    most = max(1, noise.size // (6 if noise.size >= SHORT else 5))
    return min(most, max(least, math.ceil(STRETCH * found))) if math.isfinite(found) else most


def _without_trend(values: Floats) -> Floats:
    """What is left of values (n,) after a least-squares polynomial in time."""
    time = np.linspace(-1, 1, values.size)
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(time, DEGREE))
    rest: Floats = values - basis @ (basis.T @ values)
    return rest
