"""How the curves of a report are drawn: limits, scales and smoothing, the same in every picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.comparison.pipeline import Comparison
from harness.rules.finding import Threshold

Floats = NDArray[np.float64]

SMOOTHINGS = (1, 5, 25, 101, 501, 2501)
"""Windows that the page offers, in steps; odd, so that a smoothed curve does not shift."""
LIMIT_SHARE = 6
"""Single steps widen the scale to this many limits at most: the limits stay visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Threshold):
    """The threshold of a rule, with the rule's name."""

    rule: str

    @property
    def text(self) -> str:
        """The limit in words.

        >>> Limit(rule="equivalence", size=0.02).text
        'equivalence ±2 %'
        """
        return f"{self.rule} {Threshold(size=self.size, one_sided=self.one_sided).text}"


def limits(comparison: Comparison) -> tuple[Limit, ...]:
    """The limits of the policy on a relative error, two-sided ones first.

    Where no rule was asked they are those that would have been.
    """
    findings = comparison.judgement.findings
    thresholds = [(f.rule, f.threshold) for f in findings] or [
        (call.name, _asked(call.in_force)) for call in comparison.policy.calls
    ]
    drawn = [
        Limit(rule=rule, size=limit.size, one_sided=limit.one_sided)
        for rule, limit in thresholds
        if limit is not None
    ]
    return tuple(sorted(drawn, key=lambda limit: limit.one_sided))


def _asked(limits: Mapping[str, float]) -> Threshold | None:
    """The threshold of a rule that was not asked, by its limits."""
    size = limits.get("rtol", limits.get("margin"))
    return None if size is None else Threshold(size=size)


def smoothing(count: int) -> int:
    """The window over which a curve of `count` steps is smoothed at first, a twentieth at most.

    >>> [smoothing(n) for n in (30, 200, 1000, 40_000)]
    [5, 5, 25, 501]
    """
    return max(w for w in SMOOTHINGS if w <= max(5, count / 20))


def error_bound(raw: Floats, smoothed: Floats, largest_limit: float) -> float:
    """The size of error at the edge of the lower picture; all in one unit, the limit too.

    It holds the limit and nearly all of the smoothed error, and 95 % of single steps as far as the
    limits stay visible.
    """
    steps, calm = (np.abs(e[np.isfinite(e)]) for e in (raw, smoothed))
    wild = float(np.quantile(steps, 0.95)) if steps.size else 0.0
    if largest_limit > 0:
        wild = min(wild, LIMIT_SHARE * largest_limit)
    level = float(np.quantile(calm, 0.98)) if calm.size else 0.0
    return 1.15 * max(1.5 * largest_limit, wild, level) or 1.0


def spans_decades(whole: Aligned) -> bool:
    """Whether the mean curves are positive and span more than two decades: draw them by logs."""
    values = np.concatenate([whole.baseline_mean, whole.candidate_mean])
    positive = values[np.isfinite(values)]
    if positive.size == 0 or positive.min() <= 0:
        return False
    return float(positive.max() / positive.min()) > 100
