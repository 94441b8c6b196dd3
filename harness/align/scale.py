"""Curves in a unit of their own size, so that no square of theirs overflows or vanishes.

The unit is a power of two, so that scaling changes no bit, unless the smallest values underflow.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from harness.align.aligned import Aligned

Floats = NDArray[np.float64]


def exponent_of(*values: Floats) -> int:
    """Returns the power of two just above the largest size in arrays of finite values; 0 of zeros.

    >>> exponent_of(np.array([0.1, -5.0])), exponent_of(np.zeros(3))
    (3, 0)
    """
    top = max(float(np.abs(part).max(initial=0.0)) for part in values)
    return math.frexp(top)[1]


def in_unit(values: Floats) -> Floats:
    """Returns finite values divided by one power of two, of size 1 at most."""
    return np.ldexp(values, -exponent_of(values))


def to_unit(aligned: Aligned) -> Aligned:
    """Returns both sides of the judged series divided by one power of two, of size 1 at most.

    Values must be finite. Relative figures are those of the original; other series are left alone.
    """
    exponent = exponent_of(aligned.baseline, aligned.candidate)
    return replace(
        aligned,
        baseline=np.ldexp(aligned.baseline, -exponent),
        candidate=np.ldexp(aligned.candidate, -exponent),
    )
