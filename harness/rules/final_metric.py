"""Could the final figure be that of another run of a published training? A prediction interval.

The baseline is a published result: final figures of n runs, often of one, without a log. How far
runs differ comes from published results of several runs, pooled with the candidate's own spread if
it has several runs (`harness/stats/final_figure.py`). The mean difference is compared with that
spread in both directions.

The rule passes if the interval of the difference lies inside `margin`, in the unit of the figure.
It fails if runs of one training differ as much in at most `level` of cases. Otherwise it is
inconclusive, and says how many runs would show agreement within the margin, or which margin some
runs could show. `docs/explanation/final-metric.md` measures both error rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.align.aligned import Aligned
from harness.errors import PolicyError
from harness.log.published import Published, Spread
from harness.log.wording import counted
from harness.rules.finding import (
    Estimate,
    Figure,
    Finding,
    Threshold,
    Verdict,
    nonfinite,
)
from harness.stats.final_figure import (
    difference,
    half_width,
    least_margin,
    noticed,
    runs_to_pass,
)
from harness.stats.interval import Interval

RULE = "final-metric"
POWER = 0.8
"""Probability with which a number of runs, or a margin, is stated to suffice."""
STRONG_POWER = 0.9
FEW = 3
"""Candidate runs for which an attainable margin is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """The figures behind the verdict. `base` and `value` are means over `runs` of both sides."""

    metric: str
    base: float
    value: float
    runs: tuple[int, int]
    interval: Interval
    spread: float
    known: Spread | None
    margin: float
    level: float

    @property
    def p_value(self) -> float:
        """The two-sided p-value of no difference."""
        return min(1.0, 2 * self.interval.p_within(0.0))

    @property
    def half(self) -> float:
        """Half the interval at confidence 1 - 2 level, which the margin must contain."""
        return half_width(self.interval.error, self.interval.degrees, 1 - 2 * self.level)

    @property
    def bound(self) -> float:
        """The smallest difference, in either direction, that the interval rules out."""
        return abs(self.interval.estimate) + self.half

    @property
    def confidence(self) -> str:
        """The confidence of that interval in words."""
        return f"{1 - 2 * self.level:.0%} confidence"


def final_metric(aligned: Aligned, *, margin: float = 0.025, level: float = 0.05) -> Finding:
    """Returns the finding on the candidate's final figure against the published one.

    Raises:
        PolicyError: `level` is not below 0.5.
    """
    if not 0 < level < 0.5:
        msg = f"parameter 'level' of rule {RULE!r} is {level!r}; expected a number from 0 to 0.5"
        raise PolicyError(msg)
    parameters: dict[str, Figure] = {"margin": margin, "level": level}
    published = aligned.published
    if published is None:
        return _open(
            parameters,
            "the baseline is no published result; name one (published/NAME, `harness baseline "
            "list` shows them), or judge runs of your own with seed-variation or gate",
        )
    broken = nonfinite(RULE, aligned, parameters)
    if broken is not None:
        return broken
    case = _case(aligned, published, margin=margin, level=level)
    if case is None:
        return _open(
            parameters,
            f"no published result shows how far {aligned.metric} differs between runs: log two "
            "candidate runs or more, or name results of several runs in spread_from",
        )
    verdict, tail = _decided(case)
    return Finding(
        rule=RULE,
        verdict=verdict,
        observed=_observed(case),
        parameters=parameters,
        reason=f"{_head(case)}: {tail}",
        caveat=_caveat(case, published),
        p_value=case.p_value,
        level=level,
        estimates=(_estimate(case),),
        threshold=Threshold(size=margin / case.base),
    )


def _open(parameters: dict[str, Figure], reason: str) -> Finding:
    return Finding(
        rule=RULE,
        verdict=Verdict.INCONCLUSIVE,
        observed={},
        parameters=parameters,
        reason=reason,
    )


def _case(aligned: Aligned, published: Published, *, margin: float, level: float) -> _Case | None:
    """Returns the case of the last common record; None without any known spread."""
    known = published.spreads.get(aligned.metric)
    base, cand = aligned.baseline[:, -1], aligned.candidate[:, -1]
    interval, spread = difference(
        base,
        cand,
        spread=known.value if known else 0.0,
        degrees=known.degrees if known else 0,
    )
    if interval.degrees < 1 or not interval.error > 0:
        return None
    return _Case(
        metric=aligned.metric,
        base=float(base.mean()),
        value=float(cand.mean()),
        runs=(base.size, cand.size),
        interval=interval,
        spread=spread,
        known=known,
        margin=margin,
        level=level,
    )


def _decided(case: _Case) -> tuple[Verdict, str]:
    """Returns the verdict with the end of the reason."""
    if case.bound < case.margin:
        return Verdict.PASS, (
            f"a difference of {_points(case.bound)} or more is ruled out with {case.confidence} "
            f"(margin {_points(case.margin)})"
        )
    if case.p_value <= case.level:
        return Verdict.FAIL, (
            f"runs of one training differ as much in at most {case.p_value:.2g} of cases (level "
            f"{case.level:g})"
        )
    return Verdict.INCONCLUSIVE, (
        f"runs of one training may differ as much (p = {case.p_value:.2g}), but only a difference "
        f"of {_points(case.bound)} or more is ruled out with {case.confidence} (margin "
        f"{_points(case.margin)}); {_advice(case)}"
    )


def _advice(case: _Case) -> str:
    """Returns how many candidate runs would show agreement, or which margin they could show."""
    n, m = case.runs
    degrees = case.known.degrees if case.known else 0
    spread, level = case.spread, case.level
    needed = runs_to_pass(n, case.margin, spread=spread, degrees=degrees, level=level, power=POWER)
    if needed > m:
        return (
            f"a port that equals the published training passes with {POWER:.0%} probability from "
            f"{needed} candidate runs on"
        )
    if needed:
        return "the candidate differs by so much that more runs must show whether it is the seed"
    few = max(FEW, m + 1)
    least = least_margin(n, few, spread=spread, degrees=degrees, level=level, power=POWER)
    least = math.ceil(1000 * least) / 1000
    return (
        f"against {counted(n, 'published run')} no number of candidate runs passes that margin "
        f"with {POWER:.0%} probability; {few} candidate runs pass one of {_points(least)} "
        f"(margin={least:g}). For a narrower one, train the baseline on a GPU as well, with "
        "several seeds, and record it"
    )


def _head(case: _Case) -> str:
    n, m = case.runs
    change = case.interval.estimate
    side = "above" if change > 0 else "below"
    return (
        f"{case.metric} is {case.value:.2%}, {_points(abs(change))} {side} the published "
        f"{case.base:.2%} ({counted(m, 'candidate run')} against {counted(n, 'published run')}; "
        f"the spread from run to run is {_points(case.spread)})"
    )


def _points(size: float) -> str:
    """Returns a difference of fractions in percentage points.

    >>> _points(0.0064)
    '0.64 points'
    """
    return f"{100 * size:.2f} points"


def _observed(case: _Case) -> dict[str, Figure]:
    low, high = case.interval.bounds(1 - 2 * case.level)
    interval = case.interval
    return {
        "figure": case.value,
        "published_figure": case.base,
        "difference": interval.estimate,
        "low": low,
        "high": high,
        "p_value": case.p_value,
        "spread": case.spread,
        "standard_error": interval.error,
        "degrees": interval.degrees,
        "notices_with_80_percent": _noticed(case, POWER),
        "notices_with_90_percent": _noticed(case, STRONG_POWER),
        "published_runs": case.runs[0],
        "candidate_runs": case.runs[1],
    }


def _noticed(case: _Case, power: float) -> float:
    error, degrees = case.interval.error, case.interval.degrees
    return noticed(error, degrees, margin=case.margin, level=case.level, power=power)


def _estimate(case: _Case) -> Estimate:
    """Returns the difference with the interval that the margin must contain, relative."""
    low, high = case.interval.bounds(1 - 2 * case.level)
    return Estimate(
        part="final figure",
        value=case.interval.estimate / case.base,
        low=low / case.base,
        high=high / case.base,
    )


def _caveat(case: _Case, published: Published) -> str:
    """Returns what is assumed of the spread, and which difference may go unnoticed."""
    smallest = _points(_noticed(case, POWER))
    unseen = f"a difference of {smallest} fails with {POWER:.0%} probability, a smaller one seldom"
    others = [n for n in case.known.names if n not in published.name] if case.known else []
    if not others:
        return unseen
    return f"the spread from run to run is that of {', '.join(others)}; {unseen}"
