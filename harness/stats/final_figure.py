"""The difference between final figures of few runs, with a spread that other runs have shown.

n published runs and m candidate runs are assumed independent and normal with one spread s, which
is pooled with d degrees of freedom. Then (mean of the candidate - mean of the published) / (s
sqrt(1/m + 1/n)) is Student's t with d degrees of freedom. `docs/explanation/final-metric.md`
measures what happens if the values are not normal, or if the spread of the candidate differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.log.arrays import Floats, Steps
from harness.stats.interval import Interval
from harness.stats.power import spread_factor

MOST_RUNS = 100
"""Candidate runs up to which a number that suffices is searched."""


def pooled(groups: Sequence[Floats]) -> tuple[float, int]:
    """Returns the standard deviation within groups of runs, pooled, and its degrees of freedom.

    A group has shape (n,). Groups of one run add nothing; without another group the result is
    (NaN, 0).

    >>> s, degrees = pooled([np.array([1.0, 3.0]), np.array([5.0])])
    >>> round(s, 4), degrees
    (1.4142, 1)
    """
    degrees = sum(group.size - 1 for group in groups)
    if degrees < 1:
        return math.nan, 0
    squares = sum(float(np.square(group - group.mean()).sum()) for group in groups)
    return math.sqrt(squares / degrees), degrees


def difference(
    published: Floats, candidate: Floats, *, spread: float, degrees: int
) -> tuple[Interval, float]:
    """Returns the mean difference of figures (n,) and (m,), and the spread of a run behind it.

    `spread`, with its `degrees`, is what other runs have shown. The spread of several candidate
    runs is pooled with it.
    """
    own, more = pooled([candidate])
    known = degrees * spread**2 if degrees else 0.0
    whole = degrees + more
    pooled_spread = math.sqrt((known + (more * own**2 if more else 0.0)) / whole) if whole else 0.0
    error = pooled_spread * spread_factor(published.size, candidate.size)
    estimate = float(candidate.mean() - published.mean())
    return Interval(estimate=estimate, error=error, degrees=whole), pooled_spread


def half_width(error: float, degrees: float, confidence: float) -> float:
    """Returns half the two-sided interval of Student's t at this confidence."""
    low, high = Interval(estimate=0.0, error=error, degrees=degrees).bounds(confidence)
    return (high - low) / 2


def noticed(error: float, degrees: float, *, margin: float, level: float, power: float) -> float:
    """Returns the difference that fails with this probability.

    A comparison fails if the difference exceeds t(1 - level / 2) standard errors and its interval
    at confidence 1 - 2 level is not inside the margin. The larger of these two limits plus t(power)
    standard errors is the result, as in `gate/limits.py`: an average over the errors of the spread
    that was observed.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  (takes 0.5 s, few commands need it)

    fails, inside, more = (
        float(stdtrit(degrees, p)) * error for p in (1 - level / 2, 1 - level, power)
    )
    return max(fails, margin - inside) + more


def least_margin(
    n: int, m: int, *, spread: float, degrees: int, level: float, power: float
) -> float:
    """Returns the smallest margin that m equal runs pass with this probability.

    They pass if the interval at confidence 1 - 2 level lies inside the margin. `degrees` are those
    without the candidate, whose m runs add m - 1. The spread is taken to be the true one.
    """
    least = _least_margins(n, np.array([m]), degrees=degrees, level=level, power=power)
    return float(least[0]) * spread


def runs_to_pass(
    n: int, margin: float, *, spread: float, degrees: int, level: float, power: float
) -> int:
    """Returns the number of equal candidate runs that pass with this probability; 0 if none does.

    At most `MOST_RUNS` are tried. The error of the n published runs remains, however many candidate
    runs there are, so that no number of them passes a margin below about 3 / sqrt(n) spreads.
    """
    runs = np.arange(1, MOST_RUNS + 1)
    least = _least_margins(n, runs, degrees=degrees, level=level, power=power) * spread
    enough = np.flatnonzero(least <= margin)
    return int(runs[enough[0]]) if enough.size else 0


def _least_margins(n: int, m: Steps, *, degrees: int, level: float, power: float) -> Floats:
    """Returns the smallest margins for numbers of candidate runs m (k,), in spreads of a run.

    Infinite without degrees of freedom.
    """
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415

    freedom = np.maximum(degrees + m - 1, 0)
    with np.errstate(invalid="ignore"):
        half = np.where(freedom > 0, stdtrit(np.maximum(freedom, 1), 1 - level), np.inf)
    margins: Floats = (half + float(ndtri((1 + power) / 2))) * np.sqrt(1 / n + 1 / m)
    return margins
