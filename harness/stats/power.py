"""What a number of runs can show: the smallest shift that a test would notice, and runs for it.

Run means are taken as independent and normal with one spread on both sides, so that t of a shifted
pair is noncentral (Student's two-sample t). Shifts are fractions of the baseline's mean.
"""

from __future__ import annotations

import math

MOST_RUNS = 10_000


def spread_factor(b: int, c: int) -> float:
    """Standard error of a difference of means of b and c runs, in spreads of one run."""
    return math.sqrt(1 / b + 1 / c)


def two_sided_t(level: float, degrees: float) -> float:
    """The size of t that a two-sided test at this level must exceed."""
    from scipy.special import stdtrit  # noqa: PLC0415  (half a second, few commands need it)

    return float(stdtrit(degrees, 1 - level / 2))


def minimum_detectable_effect(
    spread: float,
    b: int,
    c: int,
    *,
    critical_t: float,
    power: float = 0.9,
    degrees: int | None = None,
) -> float:
    """Returns the shift that a two-sample test notices with the probability `power`.

    `spread` is the standard deviation of a run's mean; the result has its unit. `degrees` are those
    of freedom, of the pooled spread (b + c - 2) unless given. Infinite where none is left, or the
    test can never reject.
    """
    from scipy.special import nctdtrinc  # noqa: PLC0415

    degrees = b + c - 2 if degrees is None else degrees
    if degrees < 1 or not math.isfinite(critical_t):
        return math.inf
    shift = float(nctdtrinc(degrees, 1 - power, critical_t))
    return spread * spread_factor(b, c) * shift


def runs_to_detect(spread: float, b: int, shift: float, *, tail: float, power: float = 0.9) -> int:
    """Candidate runs with which a shift is noticed by a test of two-sided level `tail`; 0 if none.

    `tail` is the level of the single contrast, smaller than the test's where it asks about many.
    """
    for grow in range(200):
        c = math.ceil(1.15**grow)
        if b + c <= 2:
            continue
        if c > MOST_RUNS:
            break
        critical = two_sided_t(tail, b + c - 2)
        if minimum_detectable_effect(spread, b, c, critical_t=critical, power=power) <= shift:
            return c
    return 0
