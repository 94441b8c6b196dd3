"""Finds whether one curve follows the other a few steps late, as with step counters off by one."""

from __future__ import annotations

import math

import numpy as np

from harness.align.scale import in_unit
from harness.log.arrays import Floats

MAX_LAG = 5
"""Largest shift that is tried, in steps, in either direction."""
MIN_OVERLAP = 30
MIN_CORRELATION = 0.5
AROUND = 2
"""Neighbours on either side; the noise of a record is its distance from their mean."""
SIGMAS = 4.5
"""Standard errors by which the best shift must exceed the others. With normal noise, one of the 11
shifts exceeds that by chance in 1 of 10,000 pairs."""


def lag(baseline: Floats, candidate: Floats) -> int | None:
    """Returns the shift, in steps, at which candidate (n,) and baseline (n,) share their noise.

    Two runs of one recipe fall in the same way, first fast, then slowly, so even their changes from
    step to step correlate at every shift. The noise is therefore each record's distance from the
    mean of its four neighbours, and it is compared by rank (Spearman's correlation): a trend hardly
    affects that. The best shift counts only if its correlation is at least 0.5 and exceeds both
    zero and the correlation at shift 0 by 4.5 standard errors (Fisher's z; Bartlett 1946, for
    independent autocorrelated series). Returns None if fewer than 30 records overlap, a curve is
    constant, or no shift is clear, as with two seeds.
    """
    if baseline.size < MIN_OVERLAP + MAX_LAG + 2 * AROUND:
        return None
    if not np.isfinite([baseline, candidate]).all():
        return None
    noise, echo = _ranks(_noise(baseline)), _ranks(_noise(candidate))
    if not (noise.std() > 0 and echo.std() > 0):
        return None
    shifts = range(-MAX_LAG, MAX_LAG + 1)
    scores = {shift: _correlation(*_shifted(noise, echo, shift)) for shift in shifts}
    best = max(scores, key=lambda shift: (scores[shift], -abs(shift)))
    if scores[best] < MIN_CORRELATION:
        return None
    error = _error(noise, echo)
    if _fisher(scores[best]) < SIGMAS * error:
        return None
    # The difference of two correlations has sqrt(2) times the standard error of one.
    rise = _fisher(scores[best]) - _fisher(scores[0])
    return best if best == 0 or rise >= SIGMAS * math.sqrt(2) * error else None


def _noise(curve: Floats) -> Floats:
    """Returns the distance of each record (n - 4,) from the mean of its four neighbours."""
    weights = np.full(2 * AROUND + 1, -1 / (2 * AROUND))
    weights[AROUND] = 1.0
    noise: Floats = np.convolve(in_unit(curve), weights, mode="valid")
    return noise


def _ranks(values: Floats) -> Floats:
    """Returns ranks around 0; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[places.ravel()]
    centred: Floats = ranks - ranks.mean()
    return centred


def _error(a: Floats, b: Floats) -> float:
    """Returns Bartlett's standard error of the correlation of two independent series (n,)."""
    reach = 4 * AROUND + 2 * MAX_LAG
    autocorrelation = sum(
        _correlation(a[k:], a[:-k]) * _correlation(b[k:], b[:-k])
        for k in range(1, min(reach, a.size // 3))
    )
    return math.sqrt(max(1.0, 1 + 2 * autocorrelation) / (a.size - MAX_LAG))


def _fisher(correlation: float) -> float:
    return math.atanh(min(max(correlation, -0.999999), 0.999999))  # atanh(1) is infinite


def _correlation(a: Floats, b: Floats) -> float:
    """Returns Pearson's r of two arrays (n,); 0 if either is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(a @ a)) * float(np.sqrt(b @ b))
    return float(a @ b) / scale if scale > 0 else 0.0


def _shifted(noise: Floats, echo: Floats, shift: int) -> tuple[Floats, Floats]:
    if shift < 0:
        return noise[-shift:], echo[:shift]
    return noise[: noise.size - shift], echo[shift:]
