"""The ways to split N runs into B and C: all of them where they are few, random ones otherwise."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_RUNS = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Splits:
    """Splits of N = B + C runs. `members` (P, N) marks the candidates; row 0 is the real split.

    `exact` says that these are all splits that a two-sided statistic can tell apart: with B = C a
    split and its mirror image are one.
    """

    members: NDArray[np.bool_]
    exact: bool

    def __len__(self) -> int:
        return int(self.members.shape[0])

    def weights(self) -> Floats:
        """Rows that turn standardized values (N, F) into correlations with the split, (P, F).

        The entry of a run is its side's share; W @ Z is the point-biserial correlation r of each
        feature, which orders splits as the two-sample t does: t = r sqrt((N - 2) / (1 - r^2)).
        """
        c = int(self.members[0].sum())
        n = self.members.shape[1]
        scale = math.sqrt((n - c) * c) / n
        weights: Floats = np.where(self.members, scale / c, -scale / (n - c))
        return weights


def distinct(b: int, c: int) -> int:
    """How many splits a two-sided statistic can tell apart."""
    return math.comb(b + c, b) // (2 if b == c else 1)


def smallest_p(b: int, c: int) -> float:
    """The smallest p-value that b against c runs can give: one over the distinct splits."""
    return 1 / distinct(b, c)


def runs_to_reject(b: int, *, level: float) -> int:
    """The fewest candidate runs with which b baseline runs could reject at this level; 0 if none.

    More than 1,000 are taken for none.
    """
    return next((c for c in range(1, MOST_RUNS + 1) if smallest_p(b, c) <= level), 0)


def even_runs_to_reject(*, level: float) -> int:
    """The fewest runs a side with which two equal sides could reject at this level; 0 if none."""
    return next((n for n in range(1, MOST_RUNS + 1) if smallest_p(n, n) <= level), 0)


def splits(b: int, c: int, *, most: int, rng: np.random.Generator) -> Splits:
    """All distinct splits if there are at most `most`, else `most` random ones and the real one."""
    if distinct(b, c) <= most:
        return Splits(members=_all(b, c), exact=True)
    row = np.arange(b + c) >= b
    drawn = rng.permuted(np.tile(row, (most, 1)), axis=1)
    return Splits(members=np.vstack([row, drawn]), exact=False)


def _all(b: int, c: int) -> NDArray[np.bool_]:
    """Every distinct split (P, N), the real one first; with b = c the last run stays put."""
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
