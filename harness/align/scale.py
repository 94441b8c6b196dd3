"""Curves in a unit of their own size, so that no square of theirs overflows or vanishes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from harness.align.aligned import Aligned


def to_unit(aligned: Aligned) -> Aligned:
    """The judged values of both sides divided by one power of two: exact, and of size 1 or so.

    Values must be finite. Relative figures are those of the original; other series are left alone.
    """
    top = max(float(np.abs(side).max()) for side in (aligned.baseline, aligned.candidate))
    if top == 0:
        return aligned
    exponent = -math.frexp(top)[1]
    return replace(
        aligned,
        baseline=np.ldexp(aligned.baseline, exponent),
        candidate=np.ldexp(aligned.candidate, exponent),
    )
