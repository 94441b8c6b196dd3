"""Limits, scales and smoothing of the curves in a report, the same for every picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned
from harness.comparison.pipeline import Comparison
from harness.log.arrays import Floats
from harness.rules.finding import Threshold

SMOOTHINGS = (1, 5, 25, 101, 501, 2501)
"""Windows that the page offers, in steps; odd, because an even window would shift the curve."""
LIMIT_SHARE = 6
"""Largest scale for the errors of single steps, in limits, so that the limits stay visible."""


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
    """Returns the limits of the policy on a relative error, two-sided limits first.

    If no rule ran, these are the limits of the rules that the policy names.
    """
    findings = comparison.judgement.findings
    thresholds = [(f.rule, f.threshold) for f in findings] or [
        (call.name, call.threshold) for call in comparison.policy.calls
    ]
    drawn = [
        Limit(rule=rule, size=limit.size, one_sided=limit.one_sided)
        for rule, limit in thresholds
        if limit is not None
    ]
    return tuple(sorted(drawn, key=lambda limit: limit.one_sided))


def smoothing(count: int) -> int:
    """Returns the initial smoothing window for `count` steps, at most a twentieth of them.

    >>> [smoothing(n) for n in (30, 200, 1000, 40_000)]
    [5, 5, 25, 501]
    """
    return max(w for w in SMOOTHINGS if w <= max(5, count / 20))


def error_bound(raw: Floats, smoothed: Floats, largest_limit: float) -> float:
    """Returns the error at the edge of the lower picture, in the unit of the arguments.

    The picture shows the limit, 98 % of the smoothed errors, and 95 % of single steps as far as the
    limits stay visible.
    """
    single, smooth = (np.abs(e[np.isfinite(e)]) for e in (raw, smoothed))
    noise = float(np.quantile(single, 0.95)) if single.size else 0.0
    if largest_limit > 0:
        noise = min(noise, LIMIT_SHARE * largest_limit)
    level = float(np.quantile(smooth, 0.98)) if smooth.size else 0.0
    return 1.15 * max(1.5 * largest_limit, noise, level) or 1.0


def spans_decades(whole: Aligned) -> bool:
    """Returns whether a log scale suits: the mean curves are positive and span two decades."""
    values = np.concatenate([whole.baseline_mean, whole.candidate_mean])
    positive = values[np.isfinite(values)]
    if positive.size == 0 or positive.min() <= 0:
        return False
    return float(positive.max() / positive.min()) > 100
