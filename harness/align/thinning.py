"""Shortens long curves for drawing, to the means or the extremes of equal parts.

Small curves (terminal, comment, stored results) show the level, so they take the mean of each part.
Pictures must show single spikes, so they take the lowest and the highest value; the page does the
same for each column of pixels (`thin.js`). The table of a page samples single steps, because a
reader may look up their values in the log.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def stretches(count: int, most: int) -> list[slice]:
    """Returns at most `most` stretches of `count` records; their lengths differ by 1 at most.

    >>> stretches(5, 2), stretches(2, 9)
    ([slice(0, 3, None), slice(3, 5, None)], [slice(0, 1, None), slice(1, 2, None)])
    """
    parts = min(count, max(most, 0))
    if not parts:
        return []
    length, longer = divmod(count, parts)
    cuts = [i * length + min(i, longer) for i in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


def extremes(
    steps: NDArray[np.int64], values: NDArray[np.float64], *, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the lowest and the highest value of each of about `most` stretches, with its step.

    A stretch with NaN keeps the first NaN, so the line has a gap there. A curve (n,) with at most
    two records per stretch is returned unchanged.
    """
    length = -(-values.size // most)
    if length <= 2:
        return steps, values
    whole = values.size // length * length
    parts = values[:whole].reshape(-1, length)
    starts = np.arange(0, whole, length)
    ends = [starts + parts.argmin(axis=1), starts + parts.argmax(axis=1)]
    kept = np.unique(np.concatenate([*ends, [0], np.arange(whole, values.size)]))
    return steps[kept], values[kept]
