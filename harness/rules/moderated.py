"""Tests few runs against each other: the noise of the records stands in for the seeds not seen.

For 1 to 4 baseline runs. The level of the judged series in the last three stretches (from 15, 35
and 65 % of the steps on) is compared in units of a moderated standard error: the spread between the
runs at hand, together with a prior spread that the noise of one run's records predicts
(`harness/stats/stretches.py`, constants in `harness/stats/seed_prior.py`).

The rule fails if a stretch differs by 1 % or more, and by more than seeds would at `level` after
Bonferroni's correction. The spread of the runs alone must not explain the difference either, where
it is widest: in chaotic tasks seeds spread by many times what their noise predicts. The rule passes
if the 80 % interval of each stretch covers zero or the difference is immaterial, and the interval
of the last stretch lies within `resolution`: a difference of that size is then ruled out with 90 %
confidence on each side.

With one run per side there are no degrees of freedom but the prior's, and in chaotic tasks seeds
differ by many times what the prior expects. So that comparison passes as above, but it fails only a
difference that no pair of seeds ever showed. `docs/explanation/few-runs.md` derives the rule and
measures how often it errs, by family of tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.align.aligned import Aligned
from harness.align.measure import relative_difference
from harness.align.scale import to_unit
from harness.log.wording import counted
from harness.rules.equivalence import GROSS, MIN_PAIR, one_sign
from harness.rules.finding import (
    Estimate,
    Figure,
    Finding,
    Threshold,
    Verdict,
    allows,
    check_share,
    nonfinite,
)
from harness.stats.seed_prior import PRIOR, SMOOTH, Prior
from harness.stats.stretches import Stretch, cuts, levels, log_ratio, roughness, stretches

RULE = "moderated"
MATERIAL = 0.01
"""Smallest difference that fails; a smaller one never prevents a pass."""
CONFIDENCE = 0.8
"""Confidence of the two-sided interval, 90 % on each side."""
GUARD = 0.1
"""Level of the test by the widest spread of the runs alone. Without that test, 13 % of the benign
runs of this project's network on a CPU fail at 2 v 1, with it 2 %."""
PAIRS = 1714
"""Pairs of seeds that were compared for `GROSS`: p is below 1 / 1,715 beyond it."""
SETTLES = (
    "run both sides from the same start for 20 steps (docs/how-to/same-start.md; with model.train: "
    "--same-start)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """The figures behind the verdict.

    `whole` is the relative difference of the mean, `mean_shift` the logarithm of the ratio.
    """

    parts: tuple[Stretch, ...]
    whole: float
    mean_shift: float
    runs: tuple[int, int]
    level: float
    resolution: float

    @property
    def farthest(self) -> Stretch:
        """The stretch with the smallest p-value among those that differ materially, or any."""
        material = [part for part in self.parts if abs(part.part) >= MATERIAL]
        return min(material or self.parts, key=lambda part: (part.p_value, -part.t))

    @property
    def p_value(self) -> float:
        """The smallest p-value of a material difference after Bonferroni; 1 without any."""
        return self._least(part for part in self.parts if abs(part.part) >= MATERIAL)

    def _least(self, parts: Iterable[Stretch]) -> float:
        return min((1.0, *(part.p_value * len(self.parts) for part in parts)))

    @property
    def pair(self) -> bool:
        """Whether there is one run per side."""
        return self.runs == (1, 1)

    @property
    def gross(self) -> bool:
        """Whether the last level or the mean differs by more than any known pair of seeds."""
        return max(abs(self.parts[-1].shift), abs(self.mean_shift)) > math.log(GROSS)

    @property
    def failing(self) -> float:
        """The smallest level at which the rule fails."""
        if self.pair:
            return 1 / (PAIRS + 1) if self.gross else 1.0
        return self._least(
            part for part in self.parts if abs(part.part) >= MATERIAL and part.p_widest <= GUARD
        )


@allows("resolution")
def moderated(aligned: Aligned, *, level: float = 0.05, resolution: float = 0.05) -> Finding:
    """Returns the finding on a few runs: do seeds explain the difference of the levels?

    Raises:
        PolicyError: `level` is not between 0 and 1.
    """
    check_share(RULE, "level", level)
    return with_prior(aligned, PRIOR, level=level, resolution=resolution)


def with_prior(aligned: Aligned, prior: Prior, *, level: float, resolution: float) -> Finding:
    """Returns the finding with another prior than the rule's."""
    parameters: dict[str, Figure] = {"level": level, "resolution": resolution}
    threshold = Threshold(size=resolution)
    broken = nonfinite(RULE, aligned, parameters, threshold=threshold)
    if broken is not None:
        return broken
    aligned = to_unit(aligned)
    runs = aligned.baseline.shape[0], aligned.candidate.shape[0]
    hindrance = hindered(aligned)
    if hindrance:
        return Finding(
            rule=RULE,
            verdict=Verdict.INCONCLUSIVE,
            observed={"baseline_runs": runs[0], "candidate_runs": runs[1]},
            parameters=parameters,
            reason=hindrance,
            threshold=threshold,
        )
    base, cand = aligned.baseline_mean, aligned.candidate_mean
    case = _Case(
        parts=stretches(aligned, prior),
        whole=relative_difference(base, cand),
        mean_shift=log_ratio(float(cand.mean()), float(base.mean())),
        runs=runs,
        level=level,
        resolution=resolution,
    )
    verdict, closing = _decide(case)
    low, high = case.parts[-1].bounds(CONFIDENCE)
    return Finding(
        rule=RULE,
        verdict=verdict,
        observed=_observed(case),
        parameters=parameters,
        reason=f"{_head(case)}: {closing}",
        caveat=_caveat(case),
        p_value=case.failing,
        level=level,
        estimates=(
            Estimate(part=case.parts[-1].words, value=case.parts[-1].part, low=low, high=high),
        ),
        threshold=threshold,
    )


def hindered(aligned: Aligned) -> str:
    """Returns why the rule cannot judge finite curves; empty if it can."""
    n = aligned.steps.size
    if not all(map(one_sign, aligned.baseline)):
        return (
            "the baseline crosses zero, so a relative difference is meaningless: use `tolerance` "
            "with atol"
        )
    if n < MIN_PAIR:
        return (
            f"{counted(n, 'common record')} are too few to show the noise of a run, {MIN_PAIR} are "
            "needed: log more often or train longer"
        )
    if not all(_apart_from_zero(aligned, cut) for cut in cuts(n)):
        return "a level of the baseline is zero, so a relative difference is meaningless"
    rough = roughness(aligned.baseline)
    if not rough >= SMOOTH:
        return (
            f"the baseline's {aligned.metric} is a running mean or has no noise (neighbouring "
            f"records differ by {rough:.2g} of what independent records do; {SMOOTH:g} is needed). "
            f"It does not show how far seeds may differ: log the value of each step, or {SETTLES}"
        )
    return ""


def _apart_from_zero(aligned: Aligned, cut: slice) -> bool:
    """Returns whether the baseline's levels in a stretch all lie on one side of zero."""
    base = levels(aligned.baseline[:, cut])
    return bool((base > 0).all() or (base < 0).all())


def _decide(case: _Case) -> tuple[Verdict, str]:
    if case.failing <= case.level:
        return Verdict.FAIL, _failure(case)
    for doubt in (_unusual, _too_far, _unresolved):
        if text := doubt(case):
            return Verdict.INCONCLUSIVE, f"{text}; {_advice(case)}"
    low, high = case.parts[-1].bounds(CONFIDENCE)
    return Verdict.PASS, (
        "no stretch differs by more than seeds would, and a difference of "
        f"{max(abs(low), abs(high)):.1%} or more in {case.parts[-1].words} is ruled out with 90 % "
        f"confidence (resolution {_percent(case.resolution)})"
    )


def _failure(case: _Case) -> str:
    if case.pair:
        return f"no two seeds of one recipe ever differed by a factor of {GROSS:g}"
    return f"seeds explain this in at most {_percent(case.failing)} of cases"


def _unusual(case: _Case) -> str:
    """Returns which stretch differs by more than seeds usually do; empty if none does."""
    open_parts = [
        part for part in case.parts if abs(part.part) >= MATERIAL and 1 - part.p_value > CONFIDENCE
    ]
    if not open_parts:
        return ""
    if case.p_value <= case.level:
        if case.pair:
            return "this is unusual, but in chaotic tasks two seeds differ as much"
        return "this is unusual, but these runs differ among themselves so much that seeds may too"
    return "this is more than seeds usually differ, but not enough for a failure"


def _too_far(case: _Case) -> str:
    """Returns that the mean differs by more than the resolution; empty if it does not."""
    if abs(case.whole) <= case.resolution:
        return ""
    return (
        f"the mean over all steps differs by {case.whole:+.1%}, more than the resolution "
        f"{_percent(case.resolution)}"
    )


def _unresolved(case: _Case) -> str:
    """Returns that the last stretch rules out too little; empty if it rules out enough."""
    low, high = case.parts[-1].bounds(CONFIDENCE)
    reached = max(abs(low), abs(high))
    if reached <= case.resolution:
        return ""
    return (
        f"only a difference of {reached:.1%} or more in {case.parts[-1].words} is ruled out with "
        f"90 % confidence (resolution {_percent(case.resolution)})"
    )


def _advice(case: _Case) -> str:
    """Returns what would settle the question, with the figure that one more run would reach."""
    b, c = case.runs
    last = case.parts[-1]
    more = Stretch(
        words=last.words,
        sign=1.0,
        shift=0.0,
        error=last.error * math.sqrt((1 / (b + 1) + 1 / c) / (1 / b + 1 / c)),
        degrees=last.degrees + 1,
        widest=math.nan,
        own_degrees=last.own_degrees + 1,
    )
    return (
        f"to settle it, add one more baseline run with another seed (at the present spread that "
        f"would rule out {more.bounds(CONFIDENCE)[1]:.1%}), or {SETTLES}"
    )


def _head(case: _Case) -> str:
    b, c = case.runs
    far = case.farthest
    return (
        f"{counted(c, 'candidate run')} against {counted(b, 'baseline run')}: {far.words} is "
        f"{_percent(abs(far.part))} {'higher' if far.part > 0 else 'lower'} ({_errors(far)})"
    )


def _errors(part: Stretch) -> str:
    return f"{part.t:.1f} standard errors, {part.degrees:.1f} degrees of freedom"


def _percent(part: float) -> str:
    """Returns a fraction as percent with three digits."""
    return f"{100 * part:.3g}%"


def _observed(case: _Case) -> dict[str, Figure]:
    far, last = case.farthest, case.parts[-1]
    low, high = last.bounds(CONFIDENCE)
    return {
        "p_value": case.p_value,
        "fails_from_level": case.failing,
        "largest_at": far.words,
        "largest_t": far.t,
        "degrees": far.degrees,
        "difference": case.whole,
        "last_difference": last.part,
        "last_low": low,
        "last_high": high,
        "baseline_runs": case.runs[0],
        "candidate_runs": case.runs[1],
    }


def _caveat(case: _Case) -> str:
    if case.pair:
        return (
            "one run per side: how far seeds differ is not observed but predicted from the noise "
            "of the records, and in chaotic tasks seeds differ by several times that"
        )
    return (
        "few runs on a side: part of the spread between seeds is predicted from the noise of the "
        "records, and both sides are assumed to spread by the same fraction"
    )
