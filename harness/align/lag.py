"""Does one curve follow the other a few steps late? Counters that are off by one look like that."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.align.scale import in_unit

Floats = NDArray[np.float64]

MAX_LAG = 5
"""Steps by which one side is tried against the other."""
MIN_OVERLAP = 30
MIN_CORRELATION = 0.5
AROUND = 2
"""Records on either side from whose mean a record is measured."""
SIGMAS = 4.5
"""Standard errors by which a shift must stand out: 1 in 10,000 over the 11 shifts that are tried,
both signs, if the noise were normal."""


def lag(baseline: Floats, candidate: Floats) -> int | None:
    """The shift, in steps, at which the noise of the candidate (n,) is that of the baseline (n,).

    Two runs of one recipe fall alike, early steeply and later slowly, so that even the changes from
    step to step correlate at every shift. What is compared is therefore each record's distance from
    the mean of its four neighbours, by ranks (Spearman's correlation), which a fall hardly lifts.
    The best shift counts only if its correlation is 0.5 or more, and exceeds both zero and that of
    no shift by 4.5 standard errors (Bartlett 1946, for two independent series that remember their
    past; Fisher's z). None where fewer than 30 records overlap, a curve does not move, or no shift
    stands out, as with two seeds.
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
    rise = _fisher(scores[best]) - _fisher(scores[0])
    return best if best == 0 or rise >= SIGMAS * math.sqrt(2) * error else None


def _noise(curve: Floats) -> Floats:
    """The distance of each record (n - 4,) from the mean of its neighbours, two on either side."""
    weights = np.full(2 * AROUND + 1, -1 / (2 * AROUND))
    weights[AROUND] = 1.0
    noise: Floats = np.convolve(in_unit(curve), weights, mode="valid")
    return noise


def _ranks(values: Floats) -> Floats:
    """Ranks around 0; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[places.ravel()]
    around: Floats = ranks - ranks.mean()
    return around


def _error(a: Floats, b: Floats) -> float:
    """Bartlett's standard error of the correlation of two independent series (n,)."""
    reach = 4 * AROUND + 2 * MAX_LAG
    memory = sum(
        _correlation(a[k:], a[:-k]) * _correlation(b[k:], b[:-k])
        for k in range(1, min(reach, a.size // 3))
    )
    return math.sqrt(max(1.0, 1 + 2 * memory) / (a.size - MAX_LAG))


def _fisher(correlation: float) -> float:
    return math.atanh(min(max(correlation, -0.999999), 0.999999))


def _correlation(a: Floats, b: Floats) -> float:
    """Pearson's r of two arrays (n,); 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(a @ a)) * float(np.sqrt(b @ b))
    return float(a @ b) / scale if scale > 0 else 0.0


def _shifted(noise: Floats, echo: Floats, shift: int) -> tuple[Floats, Floats]:
    if shift < 0:
        return noise[-shift:], echo[:shift]
    return noise[: noise.size - shift], echo[shift:]
