"""Fingerprints: random projections of weights or data, as numbers in a text.

Equal arrays on two devices differ by rounding, so their projections are compared with a tolerance,
and never as text. `docs/how-to/same-start.md` defines them.
"""

from __future__ import annotations

import math

ALIKE = 1e-3
"""Largest difference of two fingerprints of one array: rounding moves them by up to 1e-5, another
array by 0.01 to 1."""


def distance(ours: object, theirs: object) -> float:
    """Returns the largest difference of two fingerprints; infinity if they are not comparable.

    >>> distance("0.5 -1.25", "[0.5, -1.5]"), distance("0.5", "0.5 1"), distance("weights", "0.5")
    (0.25, inf, inf)
    """
    left, right = _numbers(ours), _numbers(theirs)
    if not left or len(left) != len(right):
        return math.inf
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


def _numbers(value: object) -> list[float]:
    """Returns the numbers of a fingerprint, also of a printed list; empty without any."""
    text = str(value).strip().removeprefix("[").removesuffix("]")
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
