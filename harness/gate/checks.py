"""Tests a history: does it drift, which values are outliers, are the values normal?

Each test has a known probability of an error on a history without a fault. `docs/explanation/
gate.md` measures them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.log.arrays import Floats

DRIFT = 0.05
"""Level of the two tests for drift together."""
OUTLIER = 0.05
"""Level of the test for outliers."""
NORMAL = 0.01
"""Level of the test for normality. It refuses gross departures only; the limits allow for others,
which no test can see in few runs."""
FEWEST = 5
"""Runs below which no test is computed."""
ORDERS = 4999
"""Random orders of the permutation tests; all orders of up to 7 runs are tried."""
ALL_ORDERS = 7
MOST_SHAPIRO = 5000
"""Runs up to which the p-value of Shapiro and Wilk's test is accurate (scipy)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The results of the tests; a p-value is None if it was not computed.

    `correlation` is that of the ranks with the order of the runs, `trend` its p-value, `wander`
    that of the von Neumann ratio, and `drift` the p-value of both together. `outliers` are the
    indices of the outliers, the farthest first.
    """

    correlation: float = 0.0
    trend: float | None = None
    wander: float | None = None
    drift: float | None = None
    normal: float | None = None
    outliers: tuple[int, ...] = ()

    @property
    def drifts(self) -> bool:
        """Whether the history drifts."""
        return self.drift is not None and self.drift <= DRIFT


def check(values: Floats) -> Checks:
    """Returns the results of the tests on finite values (n,) in the order of the runs.

    Without `FEWEST` values, or without any spread, no test is computed.
    """
    if values.size < FEWEST or not np.ptp(values) > 0:
        return Checks()
    correlation, trend, wander = order_tests(values)
    return Checks(
        correlation=correlation,
        trend=trend,
        wander=wander,
        drift=min(1.0, 2 * min(trend, wander)),
        normal=normality(values),
        outliers=outliers(values),
    )


def order_tests(
    values: Floats, *, orders: int = ORDERS, seed: int = 1
) -> tuple[float, float, float]:
    """Returns the rank correlation with the order, its p-value, and that of von Neumann's ratio.

    Both are permutation tests on mid-ranks, so their size is at most the level for any
    distribution, with ties and outliers. The correlation (Spearman) is two-sided and notices a
    trend. The ratio of the squared changes from run to run to the variance (von Neumann 1941, on
    ranks Bartels 1982) is one-sided and notices runs that resemble their neighbours.
    """
    from scipy.stats import rankdata  # noqa: PLC0415  (takes a second, few commands need it)

    ranks = rankdata(values)
    ranks = (ranks - ranks.mean()) / ranks.std()
    if values.size <= ALL_ORDERS:
        ways = np.array(list(itertools.permutations(ranks)))
    else:
        rng = np.random.default_rng(seed)
        rows = np.broadcast_to(ranks, (orders, ranks.size))
        ways = np.concatenate([ranks[None], rng.permuted(rows, axis=1)])
    place = np.arange(ranks.size) - (ranks.size - 1) / 2
    along = np.abs(ways @ place)
    changes = np.square(np.diff(ways, axis=1)).sum(axis=1)
    near = 1e-9 * ranks.size  # equal statistics differ by rounding
    trend = float(np.mean(along >= along[0] - near))
    wander = float(np.mean(changes <= changes[0] + near))
    correlation = float(ranks @ place / math.sqrt(float(ranks @ ranks * (place @ place))))
    return correlation, trend, wander


def normality(values: Floats) -> float | None:
    """Returns the p-value of Shapiro and Wilk's test of normality; None for too many values."""
    if values.size > MOST_SHAPIRO:
        return None
    from scipy.stats import shapiro  # noqa: PLC0415

    return float(shapiro((values - values.mean()) / values.std()).pvalue)


def outliers(values: Floats, *, level: float = OUTLIER) -> tuple[int, ...]:
    """Returns the indices of the outliers, the farthest first: the generalised ESD test.

    Removes the value farthest from the mean, up to a fifth of the values, and compares each
    distance with its critical value (Rosner 1983). The number of outliers is the largest at which
    the distance exceeds it, so outliers do not hide each other. With one candidate it is Grubbs'
    test. Assumes that the other values are normal.
    """
    from scipy.special import stdtrit  # noqa: PLC0415

    left = list(range(values.size))
    removed, found = [], 0
    for step in range(1, max(1, values.size // 5) + 1):
        rest = values[left]
        spread = float(rest.std(ddof=1))
        if not spread > 0:
            break
        distances = np.abs(rest - rest.mean()) / spread
        at = int(np.argmax(distances))
        n = rest.size
        t = float(stdtrit(n - 2, 1 - level / (2 * n)))
        critical = (n - 1) * t / math.sqrt((n - 2 + t * t) * n)
        removed.append(left.pop(at))
        if float(distances[at]) > critical:
            found = step
    return tuple(removed[:found])


def named(names: Sequence[str], indices: Sequence[int]) -> tuple[str, ...]:
    """Returns the names of the runs at these indices."""
    return tuple(names[i] for i in indices)
