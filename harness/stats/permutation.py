"""Are two sets of runs exchangeable? A max-t permutation test over many contrasts at once.

If the two sides are draws from one process, every split of the pooled runs into sides is equally
likely, whatever the autocorrelation within a run: runs are exchanged whole. The statistic is the
largest correlation, in size, of any contrast with the split; a contrast beyond the same limit is
significant by itself, with the error over all contrasts controlled (Westfall & Young, "Resampling-
Based Multiple Testing", 1993, the single-step max-T). With all splits enumerated the p-value is the
rank of the real one; with P random ones it is (1 + exceeding) / (1 + P) (Phipson & Smyth, 2010).
Either way the test's level is exact, up to the coarseness of the ranks, and never above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.contrasts import Contrasts
from harness.stats.splits import Splits

Floats = NDArray[np.float64]

CHUNK = 4_000_000
"""Numbers held at once while the splits are tried."""
TIE = 1e-9
"""Statistics closer than this are equal: the same split, added up in another order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exchange:
    """The outcome of the test.

    `correlation` (F,) of each contrast with the real split and `adjusted` (F,), its p-value over
    all contrasts; `critical` is the correlation beyond which the test rejects at `level`.
    """

    p_value: float
    exact: bool
    splits: int
    correlation: Floats
    adjusted: Floats
    critical: float


def exchange(found: Contrasts, ways: Splits, *, level: float) -> Exchange:
    """The test on standardized contrasts (N, F) and splits (P, N)."""
    weights = ways.weights()
    real = weights[0] @ found.values
    largest = _largest(weights, found.values)
    ordered = np.sort(largest)
    count = len(ways)
    at_least = count - np.searchsorted(ordered, np.abs(real) - TIE, side="left")
    allowed = math.floor(level * count + TIE)
    critical = float(ordered[-allowed]) if allowed else 1.0
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
    """The largest correlation, in size, of each split (P,), in chunks that fit in the cache."""
    rows = max(1, CHUNK // max(1, values.shape[1]))
    parts = [
        np.abs(weights[i : i + rows] @ values).max(axis=1) for i in range(0, len(weights), rows)
    ]
    return np.concatenate(parts)


def t_of(correlation: float, runs: int) -> float:
    """The two-sample t (runs - 2 degrees of freedom) that a correlation stands for."""
    rest = 1 - correlation**2
    return math.inf if rest <= 0 else abs(correlation) * math.sqrt((runs - 2) / rest)
