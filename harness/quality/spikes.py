"""Single records that lie farther out than any record of the baseline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.log.arrays import Floats

NARROW, WIDE = 11, 201
"""Widths of the running medians from which distances are measured, in records: the narrow median
shows a single outlier, the wide median a block of up to a hundred."""
SCALE = 21
"""Records over which the usual size of the baseline's distances is averaged."""
BLOCK = 1 << 14
"""Records whose windows are sorted at once, which bounds the memory."""
FACTOR = 3.0
"""Multiple of the baseline's largest distance that makes a spike. With noise of Student's t with 3
degrees of freedom, a healthy run beside b baseline runs exceeds it in 1 / (1 + 27 b) of cases. A
multiple of 2 flagged 2 of 29 healthy runs of the corpus, in the first ten steps."""
MATERIAL = 0.1
"""Relative distance from its neighbours below which a record is no spike, however smooth the
baseline."""
TO_SIGMA = 1.4826
"""Median absolute deviation of a normal distribution -> its standard deviation."""
HUGE = 1e9
"""Multiple of the baseline's size at which a record is clipped, so that nothing overflows."""
ENOUGH_RUNS = 5
"""Baseline runs from which on their spread is used as the limit."""


def spikes(baseline: Floats, candidate: Floats) -> NDArray[np.int64]:
    """Returns the places of a candidate's curve (n,) farther out than all of the baseline (B, n).

    The distance of a record is measured from the running median of its curve, in logarithms if the
    baseline is positive, and in units of the baseline's usual distance around that place (median
    absolute deviation). A spike exceeds `FACTOR` times the baseline's largest distance, and a tenth
    of its neighbours' size. Values that are not finite are ignored here.
    """
    n = candidate.size
    if n < SCALE or not np.isfinite(baseline).all():
        return np.zeros(0, dtype=np.int64)
    known = np.isfinite(candidate)
    if np.count_nonzero(known) < SCALE:
        return np.zeros(0, dtype=np.int64)
    filled = np.interp(np.arange(n), np.flatnonzero(known), candidate[known])
    logs = bool((baseline > 0).all() and (filled > 0).all())
    size = 1.0 if logs else float(np.abs(baseline).max()) or 1.0
    with np.errstate(over="ignore"):
        left, right = (
            np.log(v) if logs else np.clip(v / size, -HUGE, HUGE) for v in (baseline, filled)
        )
    floor = math.log1p(MATERIAL) if logs else MATERIAL * float(np.abs(left).mean())
    out = np.zeros(n, dtype=bool)
    for width in {NARROW, min(WIDE, (n // 4) | 1)}:
        usual, odd = _distances(left, width), _distances(right[None, :], width)[0]
        if len(usual) >= ENOUGH_RUNS:  # remove the bend of the curve, which all runs share
            usual, odd = usual - (shared := np.median(usual, axis=0)), odd - shared
        scale = _local_scale(usual)
        limit = FACTOR * float((np.abs(usual) / scale).max())
        out |= (np.abs(odd) / scale > limit) & (np.abs(odd) > floor)
    places: NDArray[np.int64] = np.flatnonzero(out & known)
    return places


def _distances(curves: Floats, width: int) -> Floats:
    """Returns curves (N, n) minus their running medians over `width` records, an odd number.

    The ends are mirrored. `scipy.ndimage` has this filter and takes 0.3 s to load, half the time of
    a comparison.
    """
    half = width // 2
    padded = np.pad(curves, ((0, 0), (half, half)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    medians = np.empty_like(curves)
    for start in range(0, curves.shape[1], BLOCK):  # a block of windows at a time is in memory
        part = slice(start, start + BLOCK)
        medians[:, part] = np.partition(windows[:, part], half, axis=-1)[..., half]
    distances: Floats = curves - medians
    return distances


def _local_scale(distances: Floats) -> Floats:
    """Returns the usual size (n,) of distances (B, n) around each place, floored at a tenth.

    The floor is a tenth of the usual size over the whole curve.
    """
    typical = np.median(np.abs(distances), axis=0) if len(distances) > 1 else np.abs(distances[0])
    padded = np.pad(typical, SCALE // 2, mode="edge")
    local = TO_SIGMA * np.lib.stride_tricks.sliding_window_view(padded, SCALE).mean(axis=-1)
    overall = TO_SIGMA * float(np.median(np.abs(distances)))
    floored: Floats = np.maximum(local, max(0.1 * overall, np.finfo(float).tiny * 1e10))
    return floored
