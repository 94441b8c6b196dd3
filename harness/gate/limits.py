"""Limits for the figure of new runs, with their rate of false alarms and what they notice.

`student` takes a prediction interval for the mean of k new runs, mean +- t s sqrt(1/k + 1/n). Its
degrees of freedom d are fewer than the n - 1 of normal values: 1/d = 1/(n - 1) + 1/5. With them the
rate is at most the one asked for if the values have the tails of Student's t with 5 degrees or
less, or the skewness of a gamma distribution of shape 4 (that is 1) or less. `order` takes the r-th
smallest of n values: a further value lies below it with probability r / (n + 1), whatever the
distribution. `docs/explanation/gate.md` derives both and measures their rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.gate.worse import Worse
from harness.log.arrays import Floats

TAILS = 5
"""Degrees of freedom of the heaviest tails that `student` allows for."""
POWERS = (0.8, 0.9)
"""Probabilities of noticing a regression for which its size is stated."""
CONFIDENCE = 0.9
"""Confidence of the bound on the rate of limits that stay as they are."""
DIGITS = 2
"""A limit is rounded to a hundredth of the leading digit of the spread, away from the values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A gate. `low` and `high` are None where no limit is set; `spread` is that of one run.

    `rate` bounds the false alarms, as an average over histories. `rate_if_normal` is the rate for
    normal values, None where the distribution does not matter. `own_rate` bounds the rate of these
    limits if they stay as they are, with 90 % confidence; only `order` knows it. `notices` has a
    pair for each of `POWERS`: the probability, and the smallest regression that is noticed with it,
    in the unit of the figure.
    """

    method: str
    low: float | None
    high: float | None
    mean: float
    spread: float
    rate: float
    rate_if_normal: float | None
    own_rate: float | None
    notices: tuple[tuple[float, float], ...]


def student(values: Floats, *, rate: float, worse: Worse, runs: int = 1) -> Limits:
    """Returns the limits for the mean of `runs` new runs, from values (n,), n at least 3.

    The regression that is noticed with probability p has the size (t of the rate + t of p) s
    sqrt(1/k + 1/n). Shifted by it, a run lies beyond the limit with probability p if its values
    have the tails that the limits allow for, and with about p otherwise.
    """
    from scipy.special import stdtr  # noqa: PLC0415  (takes 0.5 s, few commands need it)

    n, sides = values.size, worse.sides
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    t = quantile(n, 1 - rate / sides)
    part = math.sqrt(1 / runs + 1 / n)
    return Limits(
        method="student",
        low=_down(mean - t * spread * part, spread) if worse is not Worse.HIGHER else None,
        high=_up(mean + t * spread * part, spread) if worse is not Worse.LOWER else None,
        mean=mean,
        spread=spread,
        rate=rate,
        rate_if_normal=float(sides * stdtr(n - 1, -t)),
        own_rate=None,
        notices=tuple((p, noticed(n, runs, t=t, power=p) * spread) for p in POWERS),
    )


def quantile(n: int, probability: float) -> float:
    """Returns Student's t with the degrees of freedom that allow for heavier tails."""
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(1 / (1 / (n - 1) + 1 / TAILS), probability))


def noticed(n: int, runs: int, *, t: float, power: float) -> float:
    """Returns the regression that `student` notices with this probability, in spreads of a run."""
    return (t + quantile(n, power)) * math.sqrt(1 / runs + 1 / n)


def order(values: Floats, *, rate: float, worse: Worse) -> Limits:
    """Returns the limits for one new run from order statistics, from `order_runs` values or more.

    The regression that is noticed with probability p is the distance from the limit to the value
    that another run exceeds with probability 1 - p, again by ranks.
    """
    from scipy.special import betaincinv  # noqa: PLC0415

    n, sides = values.size, worse.sides
    ranked = np.sort(values)
    r = _rank(n, rate, sides)
    spread = float(values.std(ddof=1))
    falls = tuple(float(_at(ranked, p) - ranked[r - 1]) for p in POWERS)
    rises = tuple(float(ranked[n - r] + _at(-ranked[::-1], p)) for p in POWERS)
    sizes = {Worse.LOWER: falls, Worse.HIGHER: rises, Worse.BOTH: tuple(map(max, falls, rises))}
    return Limits(
        method="order",
        low=_down(float(ranked[r - 1]), spread) if worse is not Worse.HIGHER else None,
        high=_up(float(ranked[n - r]), spread) if worse is not Worse.LOWER else None,
        mean=float(values.mean()),
        spread=spread,
        rate=sides * r / (n + 1),
        rate_if_normal=None,
        own_rate=float(betaincinv(sides * r, n + 1 - sides * r, CONFIDENCE)),
        notices=tuple(zip(POWERS, sizes[worse], strict=True)),
    )


def order_runs(rate: float, worse: Worse) -> int:
    """Returns the number of runs that `order` needs for this rate.

    >>> order_runs(0.01, Worse.LOWER), order_runs(0.01, Worse.BOTH)
    (99, 199)
    """
    return math.ceil(worse.sides / rate - 1e-9) - 1


def _rank(n: int, rate: float, sides: int) -> int:
    return math.floor(rate / sides * (n + 1) + 1e-9)  # 0.01 * 100 may be below 1


def _at(ranked: Floats, power: float) -> float:
    """Returns the value below which a further value lies with at least this probability."""
    return float(ranked[min(math.ceil(power * (ranked.size + 1) - 1e-9), ranked.size) - 1])


def _down(value: float, spread: float) -> float:
    """Returns a limit rounded downward; unchanged without a spread.

    >>> _down(0.712394, 0.0071), _down(123.98, 25.0)
    (0.71239, 123.9)
    """
    if not spread > 0:
        return value
    digits = DIGITS - math.floor(math.log10(spread))
    unit = 10.0**-digits
    rounded = round(math.floor(value / unit) * unit, digits)
    return rounded if rounded <= value else round(rounded - unit, digits)


def _up(value: float, spread: float) -> float:
    """Returns a limit rounded upward; unchanged without a spread."""
    return -_down(-value, spread)
