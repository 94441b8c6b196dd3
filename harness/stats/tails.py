"""How heavy the tails of a single record are, learnt from the steps of the baseline runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 20
"""Moves over which the noise is taken to have one size."""
TAIL = 0.005
"""Part of the moves that are the tail; at least `FEWEST_BEYOND` of them."""
FEWEST_BEYOND = 4
DEGREES = (2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0)


def tail_degrees(values: Floats) -> float:
    """Degrees of freedom of a Student's t with the tails of values' (B, n) moves; infinity if none.

    Moves from record to record are divided by their median size in a window, in all runs, and the
    ratio of a far quantile of their size to the median is set beside those of Student's t. Moves
    are taken as independent from window to window; fewer than two windows tell nothing.
    """
    moves = np.diff(values, axis=1)
    windows = moves.shape[1] // WINDOW
    if windows < 1:
        return math.inf
    cut = np.abs(moves[:, : windows * WINDOW]).reshape(moves.shape[0], windows, WINDOW)
    size = np.median(cut, axis=(0, 2), keepdims=True)
    if not (size > 0).all():
        return math.inf
    tail = max(TAIL, FEWEST_BEYOND / cut.size)
    ratio = float(np.quantile(cut / size, 1 - tail))
    from scipy.special import stdtrit  # noqa: PLC0415  (half a second, few commands need it)

    known = stdtrit(np.array(DEGREES), 1 - tail / 2) / stdtrit(np.array(DEGREES), 0.75)
    if ratio <= known[-1]:
        return math.inf
    return float(np.interp(-ratio, -known, DEGREES))
