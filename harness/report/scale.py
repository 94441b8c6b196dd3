"""How the curves of a report are drawn: limits, scales and smoothing, the same in every picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align import Aligned
from harness.comparison import Comparison

Floats = NDArray[np.float64]

SMOOTHINGS = (1, 5, 25, 101, 501, 2501)
"""Windows that the page offers, in steps; odd, so that a smoothed curve does not shift."""
LIMIT_SHARE = 6
"""Single steps widen the scale to this many limits at most: the limits stay visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A relative limit of a rule: +-`size`, or a ceiling alone where the rule is one-sided."""

    rule: str
    size: float
    one_sided: bool = False

    @property
    def text(self) -> str:
        """The limit in words."""
        sign = "at most +" if self.one_sided else "±"
        return f"{self.rule} {sign}{100 * self.size:g} %"


def limits(comparison: Comparison) -> tuple[Limit, ...]:
    """The limits of the policy on a relative error, one a rule that has one.

    >>> Limit(rule="equivalence", size=0.02).text
    'equivalence ±2 %'
    """
    found = []
    findings = comparison.judgement.findings
    in_force = [(f.rule, f.limits) for f in findings] or [
        (call.name, call.in_force) for call in comparison.policy.rules
    ]
    for name, limit in in_force:
        size = limit.get("rtol", limit.get("margin"))
        if isinstance(size, float | int):
            found.append(Limit(rule=name, size=float(size)))
    for finding in findings:
        ceiling = finding.limits.get("mean_relative_error")
        if isinstance(ceiling, float | int):
            found.append(Limit(rule=finding.rule, size=float(ceiling), one_sided=True))
    return tuple(found)


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
