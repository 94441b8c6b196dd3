"""Per-step tolerance: most steps within rtol/atol, none beyond a hard cap.

A step is inside if |c - b| <= atol + rtol * |b|, as in numpy.isclose. At most the fraction
`outside` of the steps may lie outside, and no step may exceed `cap` times its tolerance. NaN,
infinity and a step missing within the common range always lie outside and beyond the cap.
"""

from __future__ import annotations

import numpy as np

from harness.align.aligned import Aligned
from harness.log.wording import counted
from harness.rules.finding import Finding, Threshold, Verdict, allows


@allows("rtol")
def tolerance(
    aligned: Aligned,
    *,
    rtol: float = 0.05,
    atol: float = 0.0,
    outside: float = 0.01,
    cap: float = 10.0,
) -> Finding:
    """Returns the finding on the mean curves, step by step.

    Steps before or after the common range are not judged; the caveat counts them.
    """
    base, cand = aligned.baseline_mean, aligned.candidate_mean
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        limit = atol + rtol * np.abs(base)
        size = np.abs(cand - base)
        inside = np.isfinite(base) & np.isfinite(cand) & (size <= limit)
        capped = inside | (size <= cap * limit)
    judged = aligned.steps.size + aligned.missing.size
    beyond = int(np.count_nonzero(~capped)) + int(aligned.missing.size)
    out = int(np.count_nonzero(~inside)) + int(aligned.missing.size)
    share = out / judged
    verdict = Verdict.PASS if share <= outside and beyond == 0 else Verdict.FAIL
    tail = aligned.baseline_only.size + aligned.candidate_only.size - aligned.missing.size
    reason = (
        f"{out} of {counted(judged, 'step')} ({share:.2%}, limit {outside:.2%}) outside rtol "
        f"{rtol:g}, atol {atol:g}; {beyond} of them beyond {cap:g} times that or missing (limit 0)"
    )
    first = _first_outside(aligned, inside)
    if first is not None:
        reason += f"; the first is step {first}"
    return Finding(
        rule="tolerance",
        verdict=verdict,
        observed={
            "outside": share,
            "outside_steps": out,
            "beyond_cap_steps": beyond,
            "missing_steps": int(aligned.missing.size),
            "first_outside_step": first,
            "steps": int(aligned.steps.size),
        },
        parameters={"rtol": rtol, "atol": atol, "outside": outside, "cap": cap},
        reason=reason,
        caveat=f"not judged: {counted(tail, 'step')} before or after the common range"
        if tail
        else "",
        threshold=Threshold(size=rtol),
    )


def _first_outside(
    aligned: Aligned, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> int | None:
    bad = [*aligned.steps[~inside][:1], *aligned.missing[:1]]
    return int(min(bad)) if bad else None
