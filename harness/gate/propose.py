"""Proposes a gate from a history, or says why the history does not support it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.errors import PolicyError
from harness.gate.checks import FEWEST, NORMAL, Checks, check
from harness.gate.figures import History, listed
from harness.gate.limits import POWERS, Limits, noticed, order, order_runs, quantile, student
from harness.gate.worse import Worse
from harness.log.wording import counted

LEAST_RATE = 0.001
"""Smallest rate at which `student` was measured. A smaller one needs `order`."""
LARGEST_RATE = 0.2
MOST = 1000
"""Largest number of runs that is advised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halving:
    """What halves the smallest regression that is noticed with 80 %; None if nothing does.

    `history` is the number of runs in the history, `runs` the number of candidate runs whose mean
    the gate judges.
    """

    history: int | None
    runs: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """A proposed gate. `limits` is None if there are `refusals`, the reasons against a gate.

    `needed` is the number of runs in a history that supports the rate; `notes` says what the
    history shows that changes no decision.
    """

    history: History
    rate: float
    worse: Worse
    runs: int
    needed: int
    checks: Checks
    limits: Limits | None = None
    halving: Halving | None = None
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def propose(
    history: History,
    *,
    rate: float = 0.01,
    worse: Worse = Worse.BOTH,
    runs: int = 1,
    checks: Checks | None = None,
) -> Proposal:
    """Returns the gate for the mean of `runs` new runs, at a rate of false alarms of `rate`.

    `checks` are the results of `check` for this history, which are computed if they are not given.

    Raises:
        PolicyError: `rate` is not between 0 and 0.2, or `runs` is not at least 1.
    """
    if not 0 < rate <= LARGEST_RATE:
        msg = f"rate is {rate!r}; expected a fraction above 0 and at most {LARGEST_RATE}"
        raise PolicyError(msg)
    if runs < 1:
        msg = f"runs is {runs!r}; expected 1 or more"
        raise PolicyError(msg)
    values = history.values
    finite = bool(np.isfinite(values).all())
    checks = checks or (check(values) if finite else Checks())
    free = runs == 1 and values.size >= order_runs(rate, worse)
    refusals = tuple(_refusals(history, checks, rate=rate, worse=worse, free=free, runs=runs))
    limits = None
    if not refusals and free:
        limits = order(values, rate=rate, worse=worse)
    elif not refusals:
        limits = student(values, rate=rate, worse=worse, runs=runs)
    return Proposal(
        history=history,
        rate=rate,
        worse=worse,
        runs=runs,
        needed=fewest(rate, worse),
        checks=checks,
        limits=limits,
        halving=None if limits is None else halving(limits, values.size, runs),
        refusals=refusals,
        notes=(*history.notes, *_notes(history, checks)),
    )


def fewest(rate: float, worse: Worse) -> int:
    """Returns the smallest number of runs in a history that supports a rate.

    >>> fewest(0.01, Worse.BOTH), fewest(0.0005, Worse.LOWER), fewest(0.2, Worse.LOWER)
    (5, 1999, 5)
    """
    return FEWEST if rate >= LEAST_RATE else order_runs(rate, worse)


def halving(limits: Limits, n: int, runs: int) -> Halving:
    """Returns what halves the regression that is noticed with 80 %, for the same spread."""
    if not limits.spread > 0:
        return Halving(history=None, runs=None)
    goal = limits.notices[0][1] / limits.spread / 2
    side = limits.rate / (2 if limits.low is not None and limits.high is not None else 1)

    def enough(history: int, candidates: int) -> bool:
        t = quantile(history, 1 - side)
        return noticed(history, candidates, t=t, power=POWERS[0]) <= goal

    return Halving(
        history=_first(lambda m: enough(m, runs), n + 1),
        runs=_first(lambda k: enough(n, k), runs + 1),
    )


def _first(enough: Callable[[int], bool], least: int) -> int | None:
    """Returns the smallest number up to `MOST` that is enough; None if none is.

    More runs are never worse, so bisection finds it.
    """
    at = bisect_left(range(least, MOST + 1), True, key=enough)
    return least + at if least + at <= MOST else None


def _refusals(
    history: History, checks: Checks, *, rate: float, worse: Worse, free: bool, runs: int
) -> Iterator[str]:
    values, n, needed = history.values, history.values.size, fewest(rate, worse)
    broken = [history.names[i] for i in np.flatnonzero(~np.isfinite(values))]
    if broken:
        yield (
            f"{history.metric} is NaN or infinite in {listed(broken)}: a history has good runs "
            "only; leave them out with --without NAME"
        )
        return
    if history.mixed:
        yield (
            f"the runs do not repeat one recipe: {history.mixed}; take the runs of one recipe, or "
            "allow the difference with --allow FACT"
        )
    if n < needed:
        yield (
            f"{counted(n, 'run')}: a gate with {percent(rate)} false alarms needs {needed} runs "
            f"or more; log {counted(needed - n, 'more run')}{_measured(n, rate)}"
        )
        return
    if checks.drifts:
        yield _drift(checks)
    unlike = checks.normal is not None and checks.normal <= NORMAL
    if not free and (unlike or not np.ptp(values) > 0):
        yield _shape(history, checks, rate=rate, worse=worse, runs=runs)


def _drift(checks: Checks) -> str:
    trend = checks.trend or 1.0
    if trend <= (checks.wander or 1.0):
        way = "rise" if checks.correlation > 0 else "fall"
        what = f"the values {way} from run to run (rank correlation {checks.correlation:+.2f}"
    else:
        what = "neighbouring runs resemble each other (von Neumann's ratio"
    return (
        f"the history drifts: {what}, p = {checks.drift:.2g}), so it does not predict the next "
        "run; search for the change that caused it, and take only the runs after it"
    )


def _shape(history: History, checks: Checks, *, rate: float, worse: Worse, runs: int) -> str:
    """Returns why the spread of the values supports no limit, and what would."""
    n, free = history.values.size, order_runs(rate, worse)
    what = (
        f"the values are far from normal (Shapiro-Wilk p = {checks.normal:.2g})"
        if checks.normal is not None
        else f"all {n} values are equal, so they show no spread"
    )
    first = ""
    if checks.outliers:
        names = listed([history.names[i] for i in checks.outliers])
        first = f"look at {names} first: if faulty, leave it out with --without NAME; otherwise "
    if runs > 1:
        return f"{what}; {first}judge one run (--runs 1), for which {counted(free, 'run')} suffice"
    return (
        f"{what}, and a gate with {percent(rate)} false alarms that assumes no distribution needs "
        f"{free} runs; {first}log {counted(free - n, 'more run')}{_attainable(n, worse)}"
    )


def _measured(n: int, rate: float) -> str:
    """Returns the smallest rate that few runs support; empty if it is not larger."""
    return f", or ask for --rate {LEAST_RATE:g}" if n >= FEWEST and rate < LEAST_RATE else ""


def _attainable(n: int, worse: Worse) -> str:
    """Returns the rate that n runs support without an assumption; empty if it is of no use."""
    least = worse.sides / (n + 1)
    return f", or ask for --rate {least:.3f}" if n >= FEWEST and least <= LARGEST_RATE else ""


def _notes(history: History, checks: Checks) -> Iterator[str]:
    if checks.outliers:
        names = listed([history.names[i] for i in checks.outliers])
        yield (
            f"{'outlier' if len(checks.outliers) == 1 else 'outliers'} by the generalised ESD test "
            f"at 5 %: {names}; still counted, because a good run may be rare"
        )


def percent(share: float) -> str:
    """Returns a fraction in percent with two digits.

    >>> percent(0.01), percent(0.0234), percent(0.00034)
    ('1 %', '2.3 %', '0.034 %')
    """
    return f"{100 * share:.2g} %"
