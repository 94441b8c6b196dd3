"""Does one curve follow the other a few steps late? Counters that are off by one look like that."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_LAG = 5
"""Steps by which one side is tried against the other."""
MIN_OVERLAP = 30
MIN_CORRELATION = 0.5


def lag(baseline: Floats, candidate: Floats) -> int | None:
    """The shift at which the step-to-step changes of the two curves correlate best.

    Pearson correlation of first differences, which a common trend does not lift. None where fewer
    than 30 differences overlap, a curve does not move, or no shift correlates by 0.5 or more (runs
    with different seeds, say).
    """
    if baseline.size < MIN_OVERLAP + MAX_LAG or not np.isfinite([baseline, candidate]).all():
        return None
    moves, echo = np.diff(_to_unit(baseline)), np.diff(_to_unit(candidate))
    if not (moves.std() > 0 and echo.std() > 0):
        return None
    scores = {
        lag: _correlation(*_shifted(moves, echo, lag)) for lag in range(-MAX_LAG, MAX_LAG + 1)
    }
    best = max(scores, key=lambda shift: (scores[shift], -abs(shift)))
    return best if scores[best] >= MIN_CORRELATION else None


def _to_unit(curve: Floats) -> Floats:
    """A curve divided by a power of two, exactly, so that no square overflows or vanishes."""
    return np.ldexp(curve, -math.frexp(float(np.abs(curve).max()))[1])


def _correlation(a: Floats, b: Floats) -> float:
    """Pearson's r of two arrays (n,); 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(a @ a)) * float(np.sqrt(b @ b))
    return float(a @ b) / scale if scale > 0 else 0.0


def _shifted(moves: Floats, echo: Floats, shift: int) -> tuple[Floats, Floats]:
    if shift < 0:
        return moves[-shift:], echo[:shift]
    return moves[: moves.size - shift], echo[shift:]
