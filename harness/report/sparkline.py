"""Curves as one line of text each: blocks if the output can show them, otherwise ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.align.thinning import stretches

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-:=+*#"
GAP = " "


def levels(encoding: str) -> str:
    """Returns the characters for the eight levels, low to high, that an encoding supports."""
    try:
        BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def sparklines(*curves: Sequence[float | None], width: int, marks: str = BLOCKS) -> tuple[str, ...]:
    """Returns a line for each curve, all on the same scale, at most `width` characters long.

    A longer curve is thinned to means over equal stretches. None, NaN and infinity are gaps; a
    stretch is drawn from its finite values. Equal values are drawn in the middle.

    >>> sparklines([0, 1, 2, 3], [3, None, 1, 0], width=4)
    ('▁▃▆█', '█ ▃▁')
    """
    thin = [[_mean(curve[part]) for part in stretches(len(curve), width)] for curve in curves]
    finite = [value for curve in thin for value in curve if value is not None]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return tuple(
        "".join(GAP if v is None else marks[_level(v, low, high, len(marks))] for v in curve)
        for curve in thin
    )


def _level(value: float, low: float, high: float, count: int) -> int:
    if high / 2 - low / 2 <= 0:
        return count // 2 - 1
    # halves, so that the range of two large numbers of opposite sign does not overflow
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return min(round(share * (count - 1)), count - 1)


def _mean(values: Sequence[float | None]) -> float | None:
    """Returns the mean of the finite values; None without a finite value."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    return math.fsum(v / len(finite) for v in finite) if finite else None
