"""A max-t permutation test over many contrasts: are two sets of runs exchangeable?

If both sides are draws from one process, every split of the pooled runs into sides is equally
likely. Runs are exchanged whole, so autocorrelation within a run does not matter. The statistic is
the largest absolute correlation of a contrast with the split. A contrast beyond the same critical
value is significant by itself, with the error over all contrasts controlled (Westfall & Young,
"Resampling-Based Multiple Testing", 1993, the single-step max-T). If all splits are enumerated, the
p-value is the rank of the real split; with P random splits it is (1 + exceeding) / (1 + P) (Phipson
& Smyth, 2010). In both cases the error rate never exceeds the level, and equals it up to the
coarseness of the ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.log.arrays import Floats
from harness.stats.contrasts import Contrasts
from harness.stats.splits import Splits

CHUNK = 4_000_000
"""Numbers per block of splits, so that a block fits in the cache."""
TIE = 1e-9
"""Statistics closer than this are equal: the same split, summed in another order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exchange:
    """The result of the test.

    `correlation` (F,) is that of each contrast with the real split. `adjusted` (F,) is its p-value,
    adjusted for all contrasts. `critical` is the correlation beyond which the test rejects.
    """

    p_value: float
    exact: bool
    splits: int
    correlation: Floats
    adjusted: Floats
    critical: float


def exchange(observed: Contrasts, ways: Splits, *, level: float) -> Exchange:
    """Returns the test's result for standardized contrasts (N, F) and splits (P, N)."""
    weights = ways.weights()
    real = weights[0] @ observed.values
    largest = _largest(weights, observed.values)
    ordered = np.sort(largest)
    count = len(ways)
    at_least = count - np.searchsorted(ordered, np.abs(real) - TIE, side="left")
    allowed = math.floor(level * count + TIE)  # splits that may reach the critical value
    critical = float(ordered[-allowed]) if allowed else 1.0  # too few splits: it never rejects
    adjusted = at_least / count
    return Exchange(
        p_value=float(adjusted.min()),
        exact=ways.exact,
        splits=count,
        correlation=real,
        adjusted=adjusted,
        critical=min(1.0, critical),
    )


def _largest(weights: Floats, values: Floats) -> Floats:
    """Returns the largest absolute correlation of each split (P,)."""
    rows = max(1, CHUNK // max(1, values.shape[1]))
    parts = [
        np.abs(weights[i : i + rows] @ values).max(axis=1) for i in range(0, len(weights), rows)
    ]
    return np.concatenate(parts)


def t_of(correlation: float, runs: int) -> float:
    """Returns the two-sample t (runs - 2 degrees of freedom) for a correlation with the split."""
    rest = 1 - correlation**2
    return math.inf if rest <= 0 else abs(correlation) * math.sqrt((runs - 2) / rest)
