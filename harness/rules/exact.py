"""Bitwise equality: the same steps and the same bits, as a deterministic build promises.

Values that are k floats apart differ by k units in the last place (ULPs). Frameworks compute losses
in float32, and logs may print all their digits: if both values are float32 numbers, float32 ULPs
are counted, otherwise float64 ULPs.
"""

from __future__ import annotations

import numpy as np

from harness.align.aligned import Aligned
from harness.log.wording import counted
from harness.rules.finding import Finding, Verdict


def exact(aligned: Aligned) -> Finding:
    """Returns a pass if every run of both sides has the same finite values at the same steps."""
    reference = aligned.baseline[0]
    everyone = np.concatenate([aligned.baseline, aligned.candidate])
    differs = np.flatnonzero(
        (everyone != reference).any(axis=0) | ~np.isfinite(everyone).all(axis=0)
    )
    alone = aligned.baseline_only.size + aligned.candidate_only.size
    observed: dict[str, float | int | str | None] = {
        "steps": int(aligned.steps.size),
        "differing_steps": int(differs.size),
        "steps_of_one_side": int(alone),
        "first_differing_step": None,
        "ulps": None,
    }
    if differs.size:
        at = int(differs[0])
        other = int(np.argmax(everyone[:, at] != reference[at]))  # the first run that differs
        base, cand = float(reference[at]), float(everyone[other, at])
        kind = _precision(base, cand)
        ulps = ulp_distance(base, cand, kind=kind)
        observed |= {"first_differing_step": int(aligned.steps[at]), "ulps": ulps}
        count = "not finite" if ulps is None else f"{ulps} {kind.__name__} ULPs"
        reason = (
            f"step {aligned.steps[at]} is the first to differ: {base!r} against {cand!r} "
            f"({count}); {differs.size} of {counted(aligned.steps.size, 'step')} differ"
        )
    elif alone:
        first = min(int(s[0]) for s in (aligned.baseline_only, aligned.candidate_only) if s.size)
        reason = f"only one side logs {counted(alone, 'step')}, the first is step {first}"
    else:
        reason = f"both sides agree to the last bit on {counted(aligned.steps.size, 'step')}"
    equal = not differs.size and not alone
    return Finding(
        rule="exact",
        verdict=Verdict.PASS if equal else Verdict.FAIL,
        observed=observed,
        parameters={"differing_steps": 0, "steps_of_one_side": 0},
        reason=reason,
    )


Kind = type[np.float32] | type[np.float64]


def _precision(a: float, b: float) -> Kind:
    """Returns float32 if both values are float32 numbers, as a framework's losses are."""
    with np.errstate(over="ignore"):
        exact32 = all(float(np.float32(value)) == value for value in (a, b))
    return np.float32 if exact32 else np.float64


def ulp_distance(a: float, b: float, *, kind: Kind = np.float64) -> int | None:
    """Returns how many floats of a kind a and b are apart; None unless both are finite."""
    if not (np.isfinite(a) and np.isfinite(b)):
        return None
    return abs(_ordered(a, kind) - _ordered(b, kind))


def _ordered(value: float, kind: Kind) -> int:
    """Returns an integer that grows by 1 from each float to the next; both zeros give 0."""
    integers, magnitude = (
        (np.int32, 0x7FFF_FFFF) if kind is np.float32 else (np.int64, 0x7FFF_FFFF_FFFF_FFFF)
    )
    number = int(np.array([value], dtype=kind).view(integers)[0])
    return number if number >= 0 else -(number & magnitude)
