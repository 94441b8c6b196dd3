"""Tests whether the candidate could be another seed of the baseline: prediction intervals.

Several baseline runs show how far runs differ by their seeds alone. The rule compares the candidate
with that spread in every feature of its curves (`harness/stats/signature.py`): levels by stretch
and noise, of the loss and of the other series of the training that both sides log.

The rule fails if a feature lies where another seed would hardly ever lie, after a correction for
the number of features. A seed may be unlucky, so a single run fails only far beyond `level`. From
there up to half of the level the rule asks for one more run, and fails if that run confirms the
difference (`harness/stats/seeds.py`). The rule passes if no feature is unusual and a difference of
`resolution` in an end result (the final loss, or a validation figure) is ruled out with 90 %
confidence (`harness/stats/resolution.py`). `docs/explanation/defects.md` measures which injected
faults pass, and `docs/explanation/measurements.md` how often healthy runs fail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned
from harness.log.wording import counted
from harness.rules.finding import Figure, Finding, Verdict, check_share, nonfinite
from harness.stats.resolution import CONFIDENCE, Resolution, judged_differences, resolution_of
from harness.stats.seeds import (
    ASKED,
    FEWEST,
    MATERIAL,
    Distances,
    Odds,
    distances,
    odds,
)
from harness.stats.signature import Signature, signature

RULE = "seed-variation"
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Case:
    """The figures behind the verdict. `last` and `whole` are relative differences of the loss."""

    signature: Signature
    apart: Distances
    odds: Odds
    bound: Resolution
    last: float
    whole: float
    level: float
    resolution: float

    @property
    def head(self) -> str:
        """The number of runs on both sides, in words."""
        b, c = self.signature.baseline.shape[0], self.signature.candidate.shape[0]
        return f"{counted(c, 'candidate run')} against {counted(b, 'seed')} of the baseline"


def seed_variation(aligned: Aligned, *, level: float = 0.01, resolution: float = 0.1) -> Finding:
    """Returns the finding on the features of the candidate's curves: do seeds explain them?

    Raises:
        PolicyError: `level` is not between 0 and 1.
    """
    check_share(RULE, "level", level)
    parameters: dict[str, Figure] = {"level": level, "resolution": resolution}
    broken = nonfinite(RULE, aligned, parameters)
    if broken is not None:
        return broken
    b, c = aligned.baseline.shape[0], aligned.candidate.shape[0]
    if b < FEWEST:
        return Finding(
            rule=RULE,
            verdict=Verdict.INCONCLUSIVE,
            observed={"baseline_runs": b, "candidate_runs": c},
            parameters=parameters,
            reason=f"{counted(b, 'baseline run')} cannot show the spread between seeds: log "
            f"{FEWEST - b} more of the baseline, preferably 10 in total",
        )
    curves = signature(aligned)
    apart = distances(curves)
    last, whole = judged_differences(aligned, curves)
    case = _Case(
        signature=curves, apart=apart, odds=odds(curves, apart), bound=resolution_of(curves),
        last=last, whole=whole, level=level, resolution=resolution,
    )  # fmt: skip
    verdict, reason = _decide(case)
    return Finding(
        rule=RULE,
        verdict=verdict,
        observed=_observed(case),
        parameters=parameters,
        reason=f"{case.head}: {reason}",
        caveat=_caveat(verdict),
        p_value=case.odds.failing,
        level=level,
    )


def _decide(case: _Case) -> tuple[Verdict, str]:
    if case.odds.failing <= case.level:
        return Verdict.FAIL, _failure(case)
    for doubt in (_spreadless, _unlucky, _too_far, _unresolved):
        if text := doubt(case):
            return Verdict.INCONCLUSIVE, text
    return Verdict.PASS, (
        f"{_agreement(case)}, and a difference in {case.bound.words} of "
        f"{case.bound.reached:.1%} or more is ruled out with "
        f"{CONFIDENCE:.0%} confidence (resolution {_percent(case.resolution)})"
    )


def _failure(case: _Case) -> str:
    order = np.argsort(case.odds.fail, kind="stable").tolist()
    order.sort(key=lambda i: (case.odds.fail[i] > case.level, -abs(_farthest(case, i))))
    significant = [i for i in order if case.odds.fail[i] <= case.level]
    if significant:
        return f"no seed explains that {_list(case, significant)}"
    farthest = [int(i) for i in np.argsort(case.odds.run.min(axis=0), kind="stable")[:NAMED]]
    return (
        "more than half of the runs lie where hardly any seed does, each in another feature: "
        f"{_list(case, farthest)}"
    )


def _spreadless(case: _Case) -> str:
    """Returns in words which features differ although the seeds agree exactly; empty if none."""
    shown = np.flatnonzero(case.apart.spreadless).tolist()
    if not shown:
        return ""
    return f"{_list(case, shown)}, but the seeds do not differ in it at all: log more seeds"


def _unlucky(case: _Case) -> str:
    """Returns in words what a seed does by chance, but seldom; empty if nothing is unusual."""
    rarely = ASKED * case.level
    mean = np.flatnonzero(case.odds.mean <= rarely).tolist()
    rare = f"which happens by chance with at most {_percent(rarely)} of seeds"
    again = "run the candidate once more with another seed"
    if case.odds.run.min() <= rarely:
        run, at = np.unravel_index(int(case.odds.run.argmin()), case.odds.run.shape)
        c = case.signature.candidate.shape[0]
        where = f"in candidate run {int(run) + 1} of {c} " if c > 1 else ""
        shift, t = float(case.apart.run_shift[run, at]), float(case.apart.run_t[run, at])
        return (
            f"{where}{_words(case, int(at), shift, t)}, {rare}: {again}; the rule fails if the "
            "same feature is unusual again"
        )
    if mean:
        return f"{_list(case, mean)}, {rare}, but not in most of the runs: {again}"
    return ""


def _too_far(case: _Case) -> str:
    """Returns why the judged series differs by more than the resolution; empty if it does not."""
    for what, value in (("final level", case.last), ("mean", case.whole)):
        if math.isnan(value):
            return (
                f"the {what} of the judged series is zero in the baseline, so a relative "
                "difference is meaningless"
            )
        if not abs(value) <= case.resolution:
            return (
                f"no difference beyond seed variation was seen, but the {what} of the judged "
                f"series differs by {value:+.1%}, more than the resolution "
                f"{_percent(case.resolution)}, and the seeds spread too widely to decide: "
                f"{_advice(case)}"
            )
    return ""


def _unresolved(case: _Case) -> str:
    """Returns why the end results rule out too little; empty if they rule out enough."""
    if case.bound.reached <= case.resolution:
        return ""
    return (
        f"no difference was seen, but only a difference in {case.bound.words} of "
        f"{case.bound.reached:.1%} or more is ruled out with {CONFIDENCE:.0%} confidence "
        f"(resolution {_percent(case.resolution)}): {_advice(case)}"
    )


def _advice(case: _Case) -> str:
    """Returns in words how many runs a port without a difference needs to pass in most cases."""
    b, c = case.bound.runs_needed(case.resolution)
    seeds = f"the seeds spread by {case.bound.spread:.1%}"
    if not b:
        return f"{seeds}, so no feasible number of runs suffices"
    runs = counted(c, "candidate run")
    return f"{seeds}; {counted(b, 'seed')} of the baseline and {runs} would decide"


def _agreement(case: _Case) -> str:
    """Returns in words that all features are within seed variation or differ immaterially."""
    shown = np.flatnonzero(case.odds.immaterial).tolist()
    if not shown:
        return f"all {len(case.signature.features)} features lie within seed variation"
    names = _list(case, shown)
    return (
        f"no seed explains that {names}, but a difference below {_percent(MATERIAL)} is not a "
        "failure"
    )


def _list(case: _Case, columns: Sequence[int]) -> str:
    named = "; ".join(
        _words(case, i, float(case.apart.shift[i]), _farthest(case, i)) for i in columns[:NAMED]
    )
    more = len(columns) - NAMED
    count = f" and {more} more" if more > 0 else ""
    return f"{named}{count} (of {counted(len(case.signature.features), 'feature')})"


def _farthest(case: _Case, i: int) -> float:
    """Returns the t of a feature's mean or of its farthest run, whichever is larger in size."""
    runs = case.apart.run_t[:, i]
    return float(max(case.apart.t[i], *runs, key=abs))


def _words(case: _Case, i: int, shift: float, t: float) -> str:
    """Returns a feature's difference in words."""
    feature = case.signature.features[i]
    part = math.expm1(min(shift, 700.0)) if feature.logs else shift  # e^710 overflows
    by = "the same in every seed" if math.isinf(t) else f"{abs(t):.1f} standard errors"
    way = "higher" if part > 0 else "lower"
    return f"{feature.words} is {_percent(abs(part))} {way} ({by})"


def _percent(part: float) -> str:
    """Returns a fraction as percent with three digits."""
    return f"{100 * part:.3g}%"


def _observed(case: _Case) -> dict[str, Figure]:
    """Returns the figures of the report; `p_value` is the smallest of a run or of the mean."""
    farthest = max(range(len(case.signature.features)), key=lambda i: abs(_farthest(case, i)))
    return {
        "p_value": case.odds.least,
        "fails_from_level": case.odds.failing,
        "features": len(case.signature.features),
        "significant": int(np.count_nonzero(case.odds.fail <= case.level)),
        "largest_at": case.signature.features[farthest].words,
        "largest_t": _farthest(case, farthest),
        "resolution": case.bound.reached,
        "resolution_in": case.bound.words,
        "last_difference": case.last,
        "difference": case.whole,
        "baseline_runs": case.signature.baseline.shape[0],
        "candidate_runs": case.signature.candidate.shape[0],
    }


def _caveat(verdict: Verdict) -> str:
    if verdict is Verdict.FAIL:
        return (
            "a difference beyond seed variation may be immaterial: use `equivalence` to test "
            "whether it matters"
        )
    return (
        "differences smaller than the spread of the seeds are not visible: use `equivalence` with "
        "several runs per side"
    )
