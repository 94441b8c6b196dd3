"""A titled table of text, which each writer lays out in its format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import ranges
from harness.log.wording import counted

SHOWN_RANGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table; every row has as many cells as `head`."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def listed(steps: NDArray[np.int64]) -> str:
    """Returns steps as ranges, `104 to 231`; after eight ranges, the number of the others."""
    spans = ranges(steps)
    words = [str(a) if a == b else f"{a} to {b}" for a, b in spans[:SHOWN_RANGES]]
    rest = len(spans) - SHOWN_RANGES
    return ", ".join(words) + (f" and {counted(rest, 'more range')}" if rest > 0 else "")
