"""Intervals against a margin, as places on a strip: the picture of an equivalence test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.rules.finding import Estimate, Finding

ROOM = 1.25
"""Factor by which the strip is wider than its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An interval; `low`, `estimate` and `high` are places in percent of the strip's width."""

    name: str
    text: str
    low: float
    estimate: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """The margin from `left` to `right`, in percent of the strip's width, and the intervals."""

    left: float
    right: float
    margin: float
    bars: tuple[Bar, ...]

    @property
    def text(self) -> str:
        """The picture in words."""
        return f"margin ±{100 * self.margin:g} %; " + "; ".join(
            f"{bar.name}: {bar.text}" for bar in self.bars
        )


def forest(finding: Finding) -> Forest | None:
    """Returns the intervals of a finding against its threshold; None without an interval."""
    finite = [e for e in finding.estimates if all(map(math.isfinite, (e.low, e.value, e.high)))]
    if not finite or finding.threshold is None or finding.threshold.size <= 0:
        return None
    margin = finding.threshold.size
    bound = ROOM * max(margin, *(abs(v) for e in finite for v in (e.low, e.value, e.high)))
    return Forest(
        left=_place(-margin, bound),
        right=_place(margin, bound),
        margin=margin,
        bars=tuple(_bar(estimate, bound) for estimate in finite),
    )


def _bar(estimate: Estimate, bound: float) -> Bar:
    return Bar(
        name=estimate.part,
        text=f"{estimate.value:+.2%}, interval {estimate.low:+.2%} to {estimate.high:+.2%}",
        low=_place(estimate.low, bound),
        estimate=_place(estimate.value, bound),
        high=_place(estimate.high, bound),
    )


def _place(value: float, bound: float) -> float:
    return round(50 + 50 * value / bound, 3)
