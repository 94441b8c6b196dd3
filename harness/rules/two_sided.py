"""Two-sided rule on smoothed curves: a loss that is too low fails as a loss that is too high does.

    pass if mean |c~ - b~| / |b~| <= rtol or mean |c~ - b~| <= atol

c~ and b~ are the curves smoothed by Savitzky and Golay's filter (order 1, `window` steps). The
limits are those of the published rule, applied to the size of the error. The error rates of the
rule depend on the noise of the loss: with different seeds and a small batch, noise alone can exceed
5 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.align.aligned import Aligned
from harness.align.measure import relative_error, smooth
from harness.log.wording import counted
from harness.rules.finding import Finding, Threshold, Verdict, allows, within


@allows("rtol")
def two_sided(
    aligned: Aligned, *, rtol: float = 0.05, atol: float = 0.0002, window: int = 5
) -> Finding:
    """Returns the finding on the mean absolute errors of the smoothed mean curves."""
    base = smooth(aligned.baseline_mean, window=window)
    cand = smooth(aligned.candidate_mean, window=window)
    with np.errstate(invalid="ignore", over="ignore"):
        relative = float(np.abs(relative_error(base, cand)).mean())
        absolute = float(np.abs(cand - base).mean())
        signed = float(relative_error(base, cand).mean())
    ok = within(relative, rtol) or within(absolute, atol)
    figures = (
        f"mean |relative error| of the smoothed curves is {relative:.2%} (limit {rtol:.2%}), mean "
        f"|absolute error| {absolute:.4g} (limit {atol:g}), on "
        f"{counted(aligned.steps.size, 'step')}"
    )
    finite = bool(np.isfinite(base).all() and np.isfinite(cand).all())
    met = [
        name
        for name, size, limit in (("relative", relative, rtol), ("absolute", absolute, atol))
        if within(size, limit)
    ]
    tail = _decided(met) if finite else "; the judged steps contain NaN or infinity"
    return Finding(
        rule="two-sided",
        verdict=Verdict.PASS if ok and finite else Verdict.FAIL,
        observed={
            "mean_abs_relative_error": relative,
            "mean_abs_absolute_error": absolute,
            "mean_relative_error": signed,
            "steps": int(aligned.steps.size),
        },
        parameters={"rtol": rtol, "or atol": atol, "window": window},
        reason=figures + tail,
        caveat=_caveat(relative, signed) if ok else "",
        threshold=Threshold(size=rtol),
    )


def _decided(met: Sequence[str]) -> str:
    """Returns in words which limits are met; either suffices."""
    if len(met) == 1:
        return f": the {met[0]} limit is met, and either limit suffices"
    return ": both limits are met" if met else ": neither limit is met"


def _caveat(relative: float, signed: float) -> str:
    if relative > 0 and abs(signed) < relative / 3:
        return (
            f"the signed mean is {signed:+.2%}: errors of opposite sign, which a signed mean hides"
        )
    return ""
