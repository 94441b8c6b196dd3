"""Could the candidate be one more seed of the baseline? Prediction intervals of what logs show.

Several baseline runs show how far a run lies from the others by its seed alone. The candidate is
asked the same in every feature of its curves (`harness/stats/signature.py`): levels by stretch and
noise, of the loss and of whatever else of the training both sides logged.

`fail`: a feature lies where another seed would hardly ever, all features taken together, or a
schedule is another. A seed may be unlucky, so one run fails by itself only far beyond `level`;
between that and half of the level it is asked for once more, and fails if the next run bears it out
(`harness/stats/seeds.py`). `pass`: nothing lies beyond that, and a difference of an end result
(the final loss, or a validation figure) by `resolution` is ruled out with 90 % confidence
(`harness/stats/resolution.py`). Which planted defects such a pass lets through,
`docs/explanation/defects.md` measures, and how often healthy runs fail,
`docs/explanation/measurements.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned
from harness.errors import PolicyError
from harness.log.wording import counted
from harness.rules.finding import Figure, Finding, Verdict, nonfinite
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
    """Everything that the verdict rests on. `last` and `whole` are differences of the loss."""

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
        """How many runs were compared, in words."""
        b, c = self.signature.baseline.shape[0], self.signature.candidate.shape[0]
        return f"{counted(c, 'candidate run')} against {counted(b, 'seed')} of the baseline"


def seed_variation(aligned: Aligned, *, level: float = 0.01, resolution: float = 0.1) -> Finding:
    """Whether a feature of the candidate's curves lies beyond what seeds explain."""
    if not 0 < level < 1:
        msg = f"parameter 'level' of rule {RULE!r} is {level!r}; expected a number between 0 and 1"
        raise PolicyError(msg)
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
            reason=f"{counted(b, 'baseline run')} cannot show what seeds do: log {FEWEST - b} "
            "more of the "
            "baseline, better 10 in all",
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
    open_questions = [
        text
        for text in (_spreadless(case), _unlucky(case), _too_far(case), _unresolved(case))
        if text
    ]
    if open_questions:
        return Verdict.INCONCLUSIVE, open_questions[0]
    return Verdict.PASS, (
        f"{_agreement(case)}, and a difference of "
        f"{case.bound.words} of {case.bound.reached:.1%} or more is ruled out with "
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
        "more than half of the runs lie where hardly a seed does, each in its own way: "
        f"{_list(case, farthest)}"
    )


def _spreadless(case: _Case) -> str:
    """What differs without a spread to judge it by; empty if nothing does."""
    shown = np.flatnonzero(case.apart.spreadless).tolist()
    if not shown:
        return ""
    return f"the seeds show no spread to judge by where {_list(case, shown)}: log more of them"


def _unlucky(case: _Case) -> str:
    """What a seed may do, but seldom does; empty if nothing is."""
    rarely = ASKED * case.level
    mean = np.flatnonzero(case.odds.mean <= rarely).tolist()
    rare = f"which at most {_percent(rarely)} of seeds do by chance"
    again = "run the candidate once more with another seed"
    if case.odds.run.min() <= rarely:
        run, at = np.unravel_index(int(case.odds.run.argmin()), case.odds.run.shape)
        c = case.signature.candidate.shape[0]
        of = f"in candidate run {int(run) + 1} of {c} " if c > 1 else ""
        what = _one(
            case, int(at), float(case.apart.run_shift[run, at]), float(case.apart.run_t[run, at])
        )
        return f"{of}{what}, {rare}: {again}; it fails if the same feature lies beyond seeds again"
    if mean:
        return f"{_list(case, mean)}, {rare}, but not in most of the runs: {again}"
    return ""


def _too_far(case: _Case) -> str:
    """Where the judged series lies farther off than the resolution; empty if it does not."""
    for what, value in (("final level", case.last), ("mean", case.whole)):
        if math.isnan(value):
            return (
                f"the {what} of the judged series is zero in the baseline: no part of it is known"
            )
        if not abs(value) <= case.resolution:
            return (
                f"no difference beyond seeds was seen, but the {what} of the judged series "
                f"differs by {value:+.1%}, more than the resolution {_percent(case.resolution)}, "
                f"and the seeds lie too far apart to tell whether that is one: {_advice(case)}"
            )
    return ""


def _unresolved(case: _Case) -> str:
    """Why the end results rule out too little; empty if they rule out enough."""
    if case.bound.reached <= case.resolution:
        return ""
    return (
        f"no difference was seen, but only one of {case.bound.words} of {case.bound.reached:.1%} "
        f"or more is ruled out with {CONFIDENCE:.0%} confidence (resolution "
        f"{_percent(case.resolution)}): {_advice(case)}"
    )


def _advice(case: _Case) -> str:
    """The runs with which a port without a difference would mostly pass."""
    b, c = case.bound.runs_needed(case.resolution)
    seeds = f"the seeds spread by {case.bound.spread:.1%}"
    if not b:
        return f"{seeds}, for which no feasible number of runs is enough"
    runs = f"{c} candidate run{'s' if c > 1 else ''}"
    return f"{seeds}; {counted(b, 'seed')} of the baseline and {runs} would show it"


def _agreement(case: _Case) -> str:
    """That features lie where seeds do, or beyond them by too little to matter."""
    shown = np.flatnonzero(case.odds.immaterial).tolist()
    if not shown:
        return f"all {len(case.signature.features)} features lie where seeds do"
    names = _list(case, shown)
    return f"no seed explains that {names}, but less than {_percent(MATERIAL)} is no failure"


def _list(case: _Case, columns: Sequence[int]) -> str:
    named = "; ".join(
        _one(case, i, float(case.apart.shift[i]), _farthest(case, i)) for i in columns[:NAMED]
    )
    more = len(columns) - NAMED
    count = f" and {more} more" if more > 0 else ""
    return f"{named}{count} (of {counted(len(case.signature.features), 'feature')})"


def _farthest(case: _Case, i: int) -> float:
    """The distance of a feature's mean or of its farthest run, whichever is larger in size."""
    runs = case.apart.run_t[:, i]
    return float(max(case.apart.t[i], *runs, key=abs))


def _one(case: _Case, i: int, shift: float, t: float) -> str:
    """A feature's difference in words."""
    feature = case.signature.features[i]
    part = math.expm1(min(shift, 700.0)) if feature.logs else shift
    by = "the same in every seed" if math.isinf(t) else f"{abs(t):.1f} standard errors"
    way = "higher" if part > 0 else "lower"
    return f"{feature.words} is {_percent(abs(part))} {way} ({by})"


def _percent(part: float) -> str:
    """A fraction as percent with three digits."""
    return f"{100 * part:.3g}%"


def _observed(case: _Case) -> dict[str, Figure]:
    """The figures of the report; `p_value` is the smallest of a run or of the mean."""
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
        return "a difference beyond seeds may be immaterial: ask `equivalence` whether it matters"
    return (
        "seeds hide what is smaller than their spread: ask `equivalence` with several runs a side"
    )
