"""Gates from simulated histories. The rate of each gate is exact, from the distribution itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import stats

from harness.gate.checks import FEWEST, NORMAL, check, normality, order_tests, outliers
from harness.gate.figures import History
from harness.gate.limits import Limits, quantile
from harness.gate.propose import propose
from harness.gate.worse import Worse

SIZES = (5, 7, 10, 20, 50, 100)
RATES = (0.05, 0.01)
SHARE, WIDE = 0.05, 3.0


def contaminated() -> Any:
    """Normal values, of which 5 % have three times the spread."""
    a, b = stats.norm(), stats.norm(scale=WIDE)

    def mixed(name: str) -> Callable[[Any], Any]:
        return lambda x: (1 - SHARE) * getattr(a, name)(x) + SHARE * getattr(b, name)(x)

    def rvs(size: tuple[int, ...], random_state: np.random.Generator) -> Any:
        wide = random_state.random(size) < SHARE
        return random_state.standard_normal(size) * np.where(wide, WIDE, 1.0)

    return SimpleNamespace(cdf=mixed("cdf"), sf=mixed("sf"), rvs=rvs)


CHOSEN_ON = {"normal": stats.norm(), "Student t, 5": stats.t(5), "gamma, shape 4": stats.gamma(4)}
UNSEEN = {
    "logistic": stats.logistic(),
    "Laplace": stats.laplace(),
    "uniform": stats.uniform(),
    "5 % with 3 times the spread": contaminated(),
    "lognormal, skewness 0.8": stats.lognorm(0.25),
    "gamma, skewness 0.7": stats.gamma(8),
}
BEYOND = {"Student t, 3": stats.t(3), "exponential, skewness 2": stats.expon()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Means over the gates that were proposed; fractions.

    `error` is the standard error of `alarms`. Nine of ten gates have a rate of at most
    `nine_of_ten`.
    """

    group: str
    distribution: str
    runs: int
    rate: float
    worse: Worse
    refused: float
    alarms: float
    error: float
    noticed: tuple[float, ...]
    nine_of_ten: float


def measured(draws: int, seed: int) -> Iterator[Measured]:
    """Yields a row for each distribution, number of runs, rate and direction."""
    for group, family in (("chosen on", CHOSEN_ON), ("unseen", UNSEEN), ("beyond", BEYOND)):
        for name, distribution in family.items():
            for n in SIZES:
                rng = np.random.default_rng([seed, n, len(name)])
                histories = distribution.rvs(size=(draws, n), random_state=rng)
                yield from _of_size(group, name, distribution, np.asarray(histories))


def _of_size(group: str, name: str, distribution: Any, histories: Any) -> Iterator[Measured]:
    checks = [check(values) for values in histories]
    for rate in RATES:
        for worse in Worse:
            found = [
                propose(history(values), rate=rate, worse=worse, checks=done).limits
                for values, done in zip(histories, checks, strict=True)
            ]
            kept = [limits for limits in found if limits is not None]
            if not kept:
                continue
            alarms = np.array([alarm_rate(limits, distribution) for limits in kept])
            noticed = np.array([_noticed(limits, distribution, worse) for limits in kept])
            yield Measured(
                group=group, distribution=name, runs=histories.shape[1], rate=rate, worse=worse,
                refused=1 - len(kept) / len(found), alarms=float(alarms.mean()),
                error=float(alarms.std() / len(kept) ** 0.5),
                noticed=tuple(noticed.mean(axis=0).tolist()),
                nine_of_ten=float(np.quantile(alarms, 0.9)),
            )  # fmt: skip


def history(values: Any) -> History:
    """The history of these values."""
    names = tuple(str(i) for i in range(len(values)))
    return History(metric="figure", names=names, values=values, last=1, steps=(0, 0))


def alarm_rate(limits: Limits, distribution: Any) -> float:
    """The probability that a new value lies beyond the limits."""
    low = 0.0 if limits.low is None else float(distribution.cdf(limits.low))
    high = 0.0 if limits.high is None else float(distribution.sf(limits.high))
    return low + high


def _noticed(limits: Limits, distribution: Any, worse: Worse) -> tuple[float, ...]:
    """The probabilities that values shifted by the stated regressions lie beyond the limits."""
    sizes = [size for _, size in limits.notices]
    below = [float(distribution.cdf((limits.low or 0.0) + size)) for size in sizes]
    above = [float(distribution.sf((limits.high or 0.0) - size)) for size in sizes]
    if worse is Worse.BOTH:
        return tuple(min(pair) for pair in zip(below, above, strict=True))
    return tuple(below if worse is Worse.LOWER else above)


CHOSEN_AT = (0.1, 0.05, 0.01, 0.001)
NEW = 300
"""New values of each history from which quantiles are taken."""


def choice(draws: int, seed: int) -> Iterator[tuple[int, tuple[float, ...], tuple[float, ...]]]:
    """Yields why the limits are as they are, for each number of runs.

    First the quantiles of `student` over those that the distributions it was chosen on need, in
    the worst direction, at the rates `CHOSEN_AT`. Then the rate of a gate for normal values at 1 %
    whose history passed the test of normality at 5 %, over that of all gates: for each
    distribution, both in units of 1 %.
    """
    for n in (5, 7, 10, 20, 50):
        needed = np.zeros(len(CHOSEN_AT))
        pretested: list[float] = []
        for name, distribution in CHOSEN_ON.items():
            rng = np.random.default_rng([seed, n, len(name), 2])
            drawn = np.asarray(distribution.rvs(size=(draws, n + NEW), random_state=rng))
            histories, new = drawn[:, :n], drawn[:, n:]
            spread = histories.std(axis=1, ddof=1) * (1 + 1 / n) ** 0.5
            t = (new - histories.mean(axis=1)[:, None]) / spread[:, None]
            p_values = np.array([normality(values) for values in histories])
            for side in (t, -t):
                kept = side[p_values > NORMAL].ravel()
                needed = np.maximum(needed, np.quantile(kept, 1 - np.array(CHOSEN_AT)))
            limit = stats.t.ppf(0.99, n - 1)
            pretested += [
                100 * float((t[p_values > level] > limit).mean()) for level in (0.05, 0.0)
            ]
        ours = [quantile(n, 1 - rate) for rate in CHOSEN_AT]
        yield n, tuple((np.array(ours) / needed).tolist()), tuple(pretested)


def sizes_of_tests(draws: int, seed: int) -> Iterator[tuple[str, int, float, float, float]]:
    """Yields how often the tests for drift, outliers and normality err on independent values."""
    rounded = SimpleNamespace(rvs=lambda **k: np.round(stats.norm.rvs(**k), 0))
    families = {**CHOSEN_ON, "exponential, skewness 2": stats.expon(), "normal, rounded": rounded}
    for name, distribution in families.items():
        for n in (FEWEST, 10, 20, 50):
            rng = np.random.default_rng([seed, n, len(name), 1])
            drawn = np.asarray(distribution.rvs(size=(draws, n), random_state=rng))
            rows = [values for values in drawn if np.ptp(values) > 0]
            drift = [2 * min(order_tests(v, orders=999)[1:]) <= 0.05 for v in rows]
            apart = [bool(outliers(v)) for v in rows]
            unlike = [(normality(v) or 1.0) <= 0.01 for v in rows]
            yield name, n, *(float(np.mean(x)) for x in (drift, apart, unlike))


def drifting(draws: int, seed: int) -> Iterator[tuple[str, int, float, float]]:
    """Yields how often a drift is noticed, and the rate at the next run where it is not."""
    for name, slope, memory in (
        ("trend of 3 spreads over the history", 3.0, 0.0),
        ("trend of 1 spread over the history", 1.0, 0.0),
        ("autoregressive, 0.5", 0.0, 0.5),
        ("autoregressive, 0.8", 0.0, 0.8),
    ):
        for n in (10, 20, 50):
            rng = np.random.default_rng([seed, n, round(slope * 10 + memory * 100)])
            noticed, alarms = 0, []
            for _ in range(draws):
                values = _autoregressive(rng, n + 1, memory) + slope * np.arange(n + 1) / n
                limits = propose(history(values[:n]), worse=Worse.HIGHER).limits
                noticed += limits is None
                if limits is not None and limits.high is not None:
                    alarms.append(values[n] > limits.high)
            yield name, n, noticed / draws, float(np.mean(alarms)) if alarms else float("nan")


def _autoregressive(rng: np.random.Generator, n: int, memory: float) -> Any:
    values = rng.standard_normal(n)
    for i in range(1, n):
        values[i] = memory * values[i - 1] + (1 - memory**2) ** 0.5 * values[i]
    return values
