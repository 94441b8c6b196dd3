"""Could the candidate be one more seed of the baseline? Prediction intervals of what logs show.

Several baseline runs show how far a run lies from the others by its seed alone. The candidate is
asked the same in every feature of its curves (`harness/stats/signature.py`): levels by stretch and
noise, of the loss and of whatever else of the training both sides logged. `fail`: a feature lies
where another seed would hardly ever, all features taken together (Student's prediction interval,
Bonferroni over the features that vary), or a schedule is another. `pass`: none does, and a shift of
an end result (the final loss, or a validation figure) by `detect` would have been seen with 90 %
probability. Features are taken as normal and runs as independent. Which planted defects such a pass
lets through, `docs/explanation/defects.md` measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align import Aligned
from harness.errors import PolicyError
from harness.rules.finding import Figure, Finding, Verdict, nonfinite
from harness.stats.power import detectable, spread_factor, two_sided_t
from harness.stats.signature import EQUAL, Signature, signature

Floats = NDArray[np.float64]

RULE = "another-seed"
FEWEST = 5
"""Baseline runs that show a spread."""
POWER = 0.9
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """How far the candidate's features (F,) lie from the baseline's.

    `shift` is the difference of the means, `t` its ratio to the standard error of predicting the
    mean of so many runs, s sqrt(1 / B + 1 / C). A feature that is the same in all baseline runs
    (`fixed`) shows no spread: `shift` is that of the farthest candidate run, and t = 0 where it is
    none, else infinity. That is a difference where the feature is a schedule; another that happens
    to be the same, as an accuracy of 100 %, leaves the question open (`spreadless`).
    """

    shift: Floats
    t: Floats
    fixed: NDArray[np.bool_]
    spreadless: NDArray[np.bool_]


def distances(found: Signature) -> Distances:
    """The distances of a signature of two or more baseline runs."""
    b, c = found.baseline.shape[0], found.candidate.shape[0]
    apart = found.candidate - found.baseline.mean(axis=0)
    farthest = np.take_along_axis(apart, np.abs(apart).argmax(axis=0)[None, :], axis=0)[0]
    spread = found.baseline.std(axis=0, ddof=1)
    fixed = found.exact | (spread <= EQUAL)
    shift = np.where(fixed, farthest, apart.mean(axis=0))
    moved = fixed & (np.abs(shift) > EQUAL)
    t = shift / np.where(fixed, 1.0, spread) / spread_factor(b, c)
    t = np.where(moved, np.copysign(np.inf, shift), np.where(fixed, 0.0, t))
    return Distances(shift=shift, t=t, fixed=fixed, spreadless=moved & ~found.exact)


def another_seed(aligned: Aligned, *, level: float = 0.01, detect: float = 0.5) -> Finding:
    """Whether a feature of the candidate's curves lies beyond what seeds explain."""
    if not 0 < level < 1:
        msg = f"limit 'level' of rule {RULE!r} is {level!r}; expected a number between 0 and 1"
        raise PolicyError(msg)
    limits: dict[str, Figure] = {"level": level, "detect": detect}
    broken = nonfinite(RULE, aligned, limits)
    if broken is not None:
        return broken
    b, c = aligned.baseline.shape[0], aligned.candidate.shape[0]
    if b < FEWEST:
        return Finding(
            rule=RULE,
            verdict=Verdict.INCONCLUSIVE,
            observed={"baseline_runs": b, "candidate_runs": c},
            limits=limits,
            reason=f"{b} baseline runs do not show what seeds do: log {FEWEST - b} more of the "
            "baseline, better 10 in all",
        )
    found = signature(aligned)
    apart = distances(found)
    tests = max(1, int(np.count_nonzero(~apart.fixed)))
    critical = two_sided_t(level / tests, b - 1)
    p = _p_values(apart, degrees=b - 1, tests=tests)
    seen, seen_in = _detectable(found, critical)
    order = np.argsort(-np.abs(apart.t), kind="stable").tolist()
    beyond = [i for i in order if p[i] <= level]
    if beyond:
        verdict, shown = Verdict.FAIL, beyond
    elif bool((p > level).all()) and not apart.spreadless.any() and 0 <= seen <= detect:
        verdict, shown = Verdict.PASS, []
    else:
        verdict, shown = Verdict.INCONCLUSIVE, [i for i in order if apart.spreadless[i]]
    return Finding(
        rule=RULE,
        verdict=verdict,
        observed={
            "p_value": float(p.min()),
            "features": len(found.names),
            "beyond": len(beyond),
            "largest_at": found.names[order[0]],
            "largest_t": float(apart.t[order[0]]),
            "critical_t": critical,
            "detectable_shift": seen,
            "detectable_in": seen_in,
            "baseline_runs": b,
            "candidate_runs": c,
        },
        limits=limits,
        reason=_reason(found, apart, shown, verdict, seen=(seen, seen_in), detect=detect),
        blind=_blind(verdict),
        p_value=float(p.min()),
        level=level,
    )


def _p_values(apart: Distances, *, degrees: int, tests: int) -> Floats:
    """Two-sided p-values (F,) times the number of tests; a schedule that differs has 0."""
    from scipy.special import stdtr  # noqa: PLC0415  (half a second, few commands need it)

    alone = np.where(apart.spreadless, 1.0, 2 * stdtr(degrees, -np.abs(apart.t)))
    p: Floats = np.minimum(1.0, alone * tests)
    return p


def _detectable(found: Signature, critical: float) -> tuple[float, str]:
    """The smallest shift of an end result, a fraction, that is noticed with `POWER`; and of which.

    End results are the last level of the judged series and the last validation figures.
    """
    b, c = found.baseline.shape[0], found.candidate.shape[0]
    seen: list[tuple[float, str]] = []
    for column in found.ends:
        values = found.baseline[:, column]
        size = 1.0 if found.logs[column] else abs(float(values.mean()))
        spread = float(values.std(ddof=1)) / size if size else math.inf
        if seen and spread == 0:  # a figure that is the same in every seed tells nothing of shifts
            continue
        shift = detectable(spread, b, c, critical_t=critical, power=POWER, degrees=b - 1)
        seen.append((shift, found.names[column]))
    return min(seen)


def _reason(
    found: Signature,
    apart: Distances,
    shown: Sequence[int],
    verdict: Verdict,
    *,
    seen: tuple[float, str],
    detect: float,
) -> str:
    b, c = found.baseline.shape[0], found.candidate.shape[0]
    named = "; ".join(_named(found, apart, i) for i in shown[:NAMED])
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    head = f"{c} candidate run{'s' if c > 1 else ''} against {b} seeds of the baseline"
    if verdict is Verdict.FAIL:
        return f"{head}: no seed explains {named}{more} (of {len(found.names)} features)"
    limit = f"a shift of {seen[1]} by {seen[0]:.1%} would have been seen with {POWER:.0%} "
    limit += f"probability (limit {detect:.1%})"
    if verdict is Verdict.PASS:
        return f"{head}: all {len(found.names)} features lie where seeds do, and {limit}"
    if shown:
        return f"{head}: they show no spread to judge {named}{more} by: log more of them"
    return f"{head}: no difference was seen, but only {limit}: log more seeds of the baseline"


def _named(found: Signature, apart: Distances, i: int) -> str:
    shift, t = float(apart.shift[i]), float(apart.t[i])
    part = math.expm1(min(shift, 700.0)) if found.logs[i] else shift
    by = "the same in every seed" if math.isinf(t) else f"{abs(t):.1f} standard errors"
    return f"{found.names[i]} {100 * part:+.3g}% ({by})"


def _blind(verdict: Verdict) -> str:
    if verdict is Verdict.FAIL:
        return "a difference beyond seeds may be immaterial: ask `equivalence` whether it matters"
    return (
        "seeds hide what is smaller than their spread: ask `equivalence` with several runs a side"
    )
