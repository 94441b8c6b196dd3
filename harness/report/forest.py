"""Intervals against a margin, as places on a strip: the picture of an equivalence test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.rules import Finding

ROOM = 1.25
"""The strip reaches this far past what it has to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One interval; `low`, `estimate` and `high` are places in percent of the strip's width."""

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
    """The intervals of a finding that states a difference, its bounds and a margin; else None."""
    margin = finding.limits.get("margin")
    found = [
        (name, bounds)
        for prefix, name in (("", "all judged steps"), ("last_", "their last part"))
        if (bounds := _bounds(finding, prefix)) is not None
    ]
    if not found or not isinstance(margin, float | int) or margin <= 0:
        return None
    bound = ROOM * max(margin, *(abs(value) for _, bounds in found for value in bounds))
    return Forest(
        left=_place(-margin, bound),
        right=_place(margin, bound),
        margin=float(margin),
        bars=tuple(_bar(name, *bounds, bound=bound) for name, bounds in found),
    )


def _bounds(finding: Finding, prefix: str) -> tuple[float, float, float] | None:
    """Low, estimate and high of one interval; None unless all are stated and finite."""
    names = (f"{prefix}low", f"{prefix}difference", f"{prefix}high")
    figures = [finding.observed.get(name) for name in names]
    numbers = [float(f) for f in figures if isinstance(f, float | int) and math.isfinite(f)]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == len(names) else None


def _bar(name: str, low: float, estimate: float, high: float, *, bound: float) -> Bar:
    return Bar(
        name=name,
        text=f"{estimate:+.2%}, interval {low:+.2%} to {high:+.2%}",
        low=_place(low, bound),
        estimate=_place(estimate, bound),
        high=_place(high, bound),
    )


def _place(value: float, bound: float) -> float:
    return round(50 + 50 * value / bound, 3)
