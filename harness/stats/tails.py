"""The heaviness of the tails of a single record, estimated from the steps of the baseline runs."""

from __future__ import annotations

import math

import numpy as np

from harness.log.arrays import Floats

WINDOW = 20
"""Number of step-to-step changes over which the noise is assumed to have constant size."""
TAIL = 0.005
"""Fraction of the changes that form the tail; at least `FEWEST_BEYOND` changes."""
FEWEST_BEYOND = 4
DEGREES = (2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0)
"""Degrees of freedom between which the result is interpolated; above the last, infinite."""


def tail_degrees(values: Floats) -> float:
    """Returns the degrees of freedom of the Student's t with the tails of values' (B, n) changes.

    Changes from record to record are divided by their median size in a window, over all runs. The
    ratio of a high quantile of their size to the median is compared with that of Student's t.
    Assumes that windows are independent. Infinite for light tails, or without a whole window.
    """
    moves = np.diff(values, axis=1)
    windows = moves.shape[1] // WINDOW
    if windows < 1:
        return math.inf
    cut = np.abs(moves[:, : windows * WINDOW]).reshape(moves.shape[0], windows, WINDOW)
    size = np.median(cut, axis=(0, 2), keepdims=True)
    if not (size > 0).all():  # a window without changes has no noise to scale by
        return math.inf
    tail = max(TAIL, FEWEST_BEYOND / cut.size)
    ratio = float(np.quantile(cut / size, 1 - tail))
    from scipy.special import stdtrit  # noqa: PLC0415  (takes 0.5 s, few commands need it)

    # the median of |t| is the 75 % quantile of t
    known = stdtrit(np.array(DEGREES), 1 - tail / 2) / stdtrit(np.array(DEGREES), 0.75)
    if ratio <= known[-1]:
        return math.inf
    return float(np.interp(-ratio, -known, DEGREES))  # negated, because `interp` needs rising x
