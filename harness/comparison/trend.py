"""A port over time: the result of each check, and the check at which the result changed.

The change points come from ruptures (Truong, Oudre & Vayatis 2020): exact PELT with the squared
cost on the ranks of the differences. With ranks the false-alarm rate does not depend on the
distribution of the noise, and a single outlier is not a change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.comparison.result import PortResult
from harness.errors import HistoryError
from harness.extras import needs

MIN_RUNS = 3
"""Checks that a level needs: a change is reported when the third check confirms it."""
PENALTY = 3.25
"""Penalty per change in units of log(checks), with ranks scaled to variance 1."""
FLOOR = 0.001
"""Levels that differ by less are merged, as a fraction of the loss; the strictest margin is
0.005."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One result in the history. `commit` may be empty; `when` is ISO 8601 in UTC."""

    result: PortResult
    commit: str
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the relative difference; `at` is the index of the first entry after it.

    `before` and `after` are the medians of the difference on either side, as fractions.
    """

    at: int
    before: float
    after: float

    def __str__(self) -> str:
        return f"the relative difference changed from {self.before:+.2%} to {self.after:+.2%}"


def find_changes(entries: Sequence[Entry]) -> tuple[Change, ...]:
    """Returns the changes in a history, the oldest first; entries without a difference are skipped.

    Method: PELT on ranks, levels of 3 checks or more, penalty 3.25 log(checks). Levels whose
    medians differ by less than 0.1 % of the loss are merged. Assumes that checks are independent
    between changes.

    Measured by `python -m benchmarks.trend --seed 1`, 2000 histories per figure. At most 1.2 % of
    flat histories of 6 to 100 checks show a change (0 % below 9 checks, 0.9 % at 20, 0.1 % at 100),
    with noise that is normal, uniform, Student's t3, or normal with 5 % outliers. If one looks
    after each of 100 checks, 7 % of flat histories show a change at some time. A single injected
    step is located to within one check, without another change, in 95 % of cases (5 checks at
    5 sigma after 10), 90 % (after 20), 74 % (5 at 3 sigma after 20) and 92 % (10 at 3 sigma after
    30). With 4 checks at 5 sigma after 20 it is 13 %: a long noisy history needs the fifth check, a
    history without noise the third.
    """
    where = [i for i, e in enumerate(entries) if _finite(e.result.relative_difference)]
    values = np.array([entries[i].result.relative_difference for i in where], dtype=np.float64)
    bounds = _merged(values, _bounds(values))
    changes = []
    for left, at, right in zip(bounds, bounds[1:], bounds[2:], strict=False):
        before, after = float(np.median(values[left:at])), float(np.median(values[at:right]))
        changes.append(Change(at=where[at], before=before, after=after))
    return tuple(changes)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _bounds(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    """Returns the places at which levels begin, with 0 first and the count last."""
    count = values.size
    if count < 2 * MIN_RUNS or np.ptp(values) <= FLOOR:
        return [0, count]
    from scipy.stats import rankdata  # noqa: PLC0415  (kept out of `harness --help`)

    try:
        import ruptures  # noqa: PLC0415  (an extra, and a second to load)
    except ImportError as error:
        msg = f"the search for change points {needs('ruptures')}"
        raise HistoryError(msg) from error
    ranks = rankdata(values)
    scaled = (ranks - ranks.mean()) / ranks.std()
    search = ruptures.KernelCPD(kernel="linear", min_size=MIN_RUNS).fit(scaled[:, None])
    return [0, *(int(end) for end in search.predict(pen=PENALTY * math.log(count)))]


def _merged(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], bounds: Sequence[int]
) -> list[int]:
    """Returns the bounds without those between equal levels; the smallest shift goes first."""
    kept = list(bounds)
    while len(kept) > 2:
        medians = [np.median(values[a:b]) for a, b in pairwise(kept)]
        shifts = np.abs(np.diff(medians))
        weakest = int(np.argmin(shifts))
        if shifts[weakest] > FLOOR:
            break
        del kept[weakest + 1]
    return kept
