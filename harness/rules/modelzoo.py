"""The published port rule, bug for bug: signed means on the last 50 steps of the shorter run.

    pass if mean((c - b) / b) <= 0.05 or mean(c - b) <= 0.0002

It reproduces published verdicts to the last digit. It pairs records by position, not by step, drops
the surplus records of the longer run, and requires one of two one-sided limits: a lower loss always
passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.run import Series
from harness.log.wording import counted
from harness.rules.finding import Finding, Threshold, Verdict, within

LAST = 50
RELATIVE = 0.05
ABSOLUTE = 0.0002


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The figures that the published script prints; `passes` is its verdict, also for NaN."""

    relative: float
    absolute: float
    count: int

    @property
    def passes(self) -> bool:
        """Whether either mean is at most its limit."""
        return self.relative <= RELATIVE or self.absolute <= ABSOLUTE


def published(baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> Published:
    """Returns the signed means of curves (n,) and (m,) on the last 50 positions of the shorter."""
    size = min(baseline.size, candidate.size)
    base, cand = baseline[:size][-LAST:], candidate[:size][-LAST:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Published(
            # The published script divides by the signed baseline, every other rule by its size.
            relative=float(np.mean((cand - base) / base)),
            absolute=float(np.mean(cand - base)),
            count=int(base.size),
        )


def modelzoo(aligned: Aligned) -> Finding:
    """Returns the finding of the published rule on whole series, or on the runs' mean."""
    base, cand = _by_position(aligned.baseline_series), _by_position(aligned.candidate_series)
    result = published(base, cand)
    size = min(base.size, cand.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = (cand[:size] - base[:size])[-LAST:]
        size_of_error = float(np.mean(np.abs(error / base[:size][-LAST:])))
        absolute_size = float(np.mean(np.abs(error)))
    met = within(result.relative, RELATIVE) or within(result.absolute, ABSOLUTE)
    finite = bool(np.isfinite([result.relative, result.absolute]).all())
    verdict = Verdict.PASS if met and finite else Verdict.FAIL
    return Finding(
        rule="modelzoo",
        verdict=verdict,
        observed={
            "mean_relative_error": result.relative,
            "mean_absolute_error": result.absolute,
            "mean_abs_relative_error": size_of_error,
            "mean_abs_absolute_error": absolute_size,
            "steps": result.count,
            "published_word": "pass" if result.passes else "fail",
        },
        parameters={"mean_relative_error": RELATIVE, "or mean_absolute_error": ABSOLUTE},
        reason=_reason(result, finite=finite),
        caveat=_caveat(result, size_of_error, absolute_size),
        threshold=Threshold(size=RELATIVE, one_sided=True),
    )


def _by_position(series: Sequence[Series]) -> NDArray[np.float64]:
    if len(series) == 1:
        return series[0].values
    size = min(len(s) for s in series)
    mean: NDArray[np.float64] = np.mean([s.values[:size] for s in series], axis=0)
    return mean


def _reason(result: Published, *, finite: bool) -> str:
    figures = (
        f"signed mean relative error {result.relative:+.2%} (limit {RELATIVE:.0%}), signed mean "
        f"absolute error {result.absolute:+.4g} (limit {ABSOLUTE}), on "
        f"{counted(result.count, 'step')}"
    )
    if not finite:
        word = "pass" if result.passes else "fail"
        return f"{figures}: NaN or infinity is no evidence (the published script prints '{word}')"
    met = [
        name
        for name, value, limit in (
            ("relative", result.relative, RELATIVE),
            ("absolute", result.absolute, ABSOLUTE),
        )
        if value <= limit
    ]
    if len(met) == 1:
        return f"{figures}: the {met[0]} limit is met, and either limit suffices"
    return f"{figures}: {'both limits are' if met else 'neither limit is'} met"


def _caveat(result: Published, relative_size: float, absolute_size: float) -> str:
    sizes = (
        f"on the same steps the mean |relative error| is {relative_size:.2%} and the mean "
        f"|absolute error| {absolute_size:.4g}"
    )
    if not result.passes:
        return f"one-sided: only a higher loss can fail; {sizes}"
    if result.absolute < 0:
        return (
            "proves nothing: the rule is one-sided, and a loss that is lower by any amount passes "
            f"({result.relative:+.1%} here); {sizes}"
        )
    return (
        "proves little: errors of opposite sign cancel in a signed mean, and either limit "
        f"suffices; {sizes}"
    )
