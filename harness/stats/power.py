"""Power of a two-sample test: the smallest shift that it notices, and the runs that it needs.

Assumes independent, normal run means with the same spread on both sides, so that t of a shifted
pair is noncentral (Student's two-sample t). Shifts are fractions of the baseline's mean.
"""

from __future__ import annotations

import math

MOST_RUNS = 10_000


def spread_factor(b: int, c: int) -> float:
    """Returns the standard error of a difference of means of b and c runs, in spreads of a run."""
    return math.sqrt(1 / b + 1 / c)


def two_sided_t(level: float, degrees: float) -> float:
    """Returns the absolute t that a two-sided test at this level must exceed."""
    from scipy.special import stdtrit  # noqa: PLC0415  (takes 0.5 s, few commands need it)

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
    """Returns the shift that a two-sample test with this critical t notices with this probability.

    `spread` is the standard deviation of a run's mean; the result has the same unit. `degrees` are
    the degrees of freedom, by default those of the pooled spread (b + c - 2). Infinite without
    degrees of freedom, or if the test can never reject.
    """
    from scipy.special import nctdtrinc  # noqa: PLC0415

    degrees = b + c - 2 if degrees is None else degrees
    if degrees < 1 or not math.isfinite(critical_t):
        return math.inf
    shift = float(nctdtrinc(degrees, 1 - power, critical_t))
    return spread * spread_factor(b, c) * shift


def runs_to_detect(spread: float, b: int, shift: float, *, tail: float, power: float = 0.9) -> int:
    """Returns the number of candidate runs with which a test notices a shift; 0 if none does.

    `tail` is the two-sided level of a single contrast, which is smaller than the test's level if
    the test has many contrasts. At most 10,000 runs are tried, in steps of 15 %.
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
