"""Scales curves to size 1, so that their squares neither overflow nor underflow.

The factor is a power of two, so scaling is exact unless the smallest values underflow.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.log.arrays import Floats

if TYPE_CHECKING:
    from harness.align.aligned import Aligned


def exponent_of(*values: Floats) -> int:
    """Returns the exponent of the power of two above the largest finite value; 0 for zeros.

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

    Values must be finite. Relative figures stay the same, and so do the other series.
    """
    exponent = exponent_of(aligned.baseline, aligned.candidate)
    return replace(
        aligned,
        baseline=np.ldexp(aligned.baseline, -exponent),
        candidate=np.ldexp(aligned.candidate, -exponent),
    )
