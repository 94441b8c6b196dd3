"""Splits of N runs into B and C: all of them if they are few, otherwise random ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.log.arrays import Floats

MOST_RUNS = 1000
"""Largest number of runs that is advised."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Splits:
    """Splits of N = B + C runs. `members` (P, N) marks the candidates; row 0 is the real split.

    `exact` is true if these are all splits that a two-sided statistic distinguishes: with B = C, a
    split and its mirror image count once.
    """

    members: NDArray[np.bool_]
    exact: bool

    def __len__(self) -> int:
        return int(self.members.shape[0])

    def weights(self) -> Floats:
        """Returns weights W (P, N), so that W @ Z (P, F) are the correlations with the splits.

        Z (N, F) are standardized values. A correlation is the point-biserial r of a feature, which
        orders splits as the two-sample t does: t = r sqrt((N - 2) / (1 - r^2)).
        """
        c = int(self.members[0].sum())
        n = self.members.shape[1]
        scale = math.sqrt((n - c) * c) / n
        weights: Floats = np.where(self.members, scale / c, -scale / (n - c))
        return weights


def distinct(b: int, c: int) -> int:
    """Returns the number of splits that a two-sided statistic distinguishes."""
    return math.comb(b + c, b) // (2 if b == c else 1)


def smallest_p(b: int, c: int) -> float:
    """Returns the smallest p-value of b against c runs: one over the number of distinct splits."""
    return 1 / distinct(b, c)


def runs_to_reject(b: int, *, level: float) -> int:
    """Returns the fewest candidate runs with which b baseline runs could reject at this level.

    0 if 1,000 runs are not enough.
    """
    return next((c for c in range(1, MOST_RUNS + 1) if smallest_p(b, c) <= level), 0)


def even_runs_to_reject(*, level: float) -> int:
    """Returns the fewest runs per side with which two equal sides could reject; 0 if none."""
    return next((n for n in range(1, MOST_RUNS + 1) if smallest_p(n, n) <= level), 0)


def splits(b: int, c: int, *, most: int, rng: np.random.Generator) -> Splits:
    """Returns all distinct splits if they are at most `most`, else the real split and `most` more.

    The others are random draws from `rng`.
    """
    if distinct(b, c) <= most:
        return Splits(members=_all(b, c), exact=True)
    row = np.arange(b + c) >= b
    drawn = rng.permuted(np.tile(row, (most, 1)), axis=1)
    return Splits(members=np.vstack([row, drawn]), exact=False)


def _all(b: int, c: int) -> NDArray[np.bool_]:
    """Returns every distinct split (P, N), the real one first; with b = c the last run is fixed."""
    n = b + c
    free, chosen = (n - 1, c - 1) if b == c else (n, c)
    count = math.comb(free, chosen)
    picks = itertools.chain.from_iterable(itertools.combinations(range(free), chosen))
    index = np.fromiter(picks, dtype=np.intp, count=count * chosen).reshape(count, chosen)
    members = np.zeros((count, n), dtype=np.bool_)
    members[np.arange(count)[:, None], index] = True
    if b == c:
        members[:, -1] = True
    real = int(np.flatnonzero((members == (np.arange(n) >= b)).all(axis=1))[0])
    members[[0, real]] = members[[real, 0]]
    return members
