"""Tests whether the difference is too small to matter: two one-sided tests against a margin.

The relative difference of the mean levels, over all judged steps and over their last part, gets a
two-sided confidence interval. The rule passes if both intervals lie inside +-margin (TOST,
Schuirmann 1987, each side at 2.5 % here), fails if an interval lies entirely outside, and is
otherwise inconclusive. With several runs on a side the interval comes from the runs. With one run
per side it comes from a block bootstrap of the steps, which does not include the spread of seeds.
Two seeds of one recipe may differ by more than any margin. So one run per side fails only if both
began with the same values, or if the difference exceeds that of any known pair of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.align.measure import relative_difference, relative_error, thirds
from harness.align.scale import to_unit
from harness.log.wording import counted
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
from harness.stats.interval import OWN_SPREAD, Interval, from_pair, from_runs

MARGINS: Mapping[str, float] = MappingProxyType(
    {"strict": 0.005, "default": 0.02, "modelzoo": 0.05}
)
"""Margins are conventions: 5 % is that of the published port rule, 2 % this project's for a new
port, and 0.5 % the difference between good ports of one recipe in public benchmark logs."""

MIN_PAIR = 50
"""Steps that one run per side needs; the coverage of the interval was not measured below."""
GROSS = 6.0
"""Factor between the mean levels of two runs that seeds never reached. Of 1,714 pairs of 11
families (MLPerf, AlgoPerf, this project's networks) the most distant differ by a factor of 5.7 in
the last third of training, and by 4.0 overall (librispeech_conformer)."""
SAME_START = 1e-3
FIRST = 5
"""Two runs whose first `FIRST` records agree within `SAME_START` have the same seed."""
SAME_SIGN = 0.9
"""A loss whose mean is below this fraction of its mean size crosses zero, so a relative difference
is meaningless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the judged steps and its interval."""

    name: str
    steps: int
    interval: Interval
    low: float
    high: float

    def inside(self, margin: float) -> bool:
        """Returns whether the whole interval lies within the margin."""
        return -margin <= self.low and self.high <= margin

    def outside(self, margin: float) -> bool:
        """Returns whether the whole interval lies beyond the margin, on either side."""
        return self.low > margin or self.high < -margin

    def text(self) -> str:
        """Returns the interval in words."""
        return f"{self.name} {self.interval.estimate:+.2%} ({self.low:+.2%} to {self.high:+.2%})"


@allows("margin")
def equivalence(
    aligned: Aligned,
    *,
    margin: float = MARGINS["default"],
    confidence: float = 0.95,
) -> Finding:
    """Returns the finding on the mean levels: do they agree within the margin?

    Raises:
        PolicyError: `confidence` is not between 0 and 1.
    """
    check_share("equivalence", "confidence", confidence)
    parameters: dict[str, Figure] = {"margin": margin, "confidence": confidence}
    threshold = Threshold(size=margin)
    broken = nonfinite("equivalence", aligned, parameters, threshold=threshold)
    if broken is not None:
        return broken
    aligned = to_unit(aligned)
    b, c, n = aligned.baseline.shape[0], aligned.candidate.shape[0], aligned.steps.size
    hindrance = _hindrance(aligned)
    if hindrance:
        return Finding(
            rule="equivalence",
            verdict=Verdict.INCONCLUSIVE,
            observed={"steps": n, "baseline_runs": b, "candidate_runs": c},
            parameters=parameters,
            reason=hindrance,
            threshold=threshold,
        )
    parts = _parts(aligned, confidence)
    by_third = _by_third(aligned)
    verdict, closing = _decide(parts, by_third, aligned, margin)
    worst = min(2 * part.interval.p_within(margin) for part in parts)
    return Finding(
        rule="equivalence",
        verdict=verdict,
        observed=_observed(parts, by_third, b, c),
        parameters=parameters,
        reason=f"relative difference of the mean level: {'; '.join(p.text() for p in parts)}, "
        f"{confidence:.0%} intervals, margin {margin:.2%}: {closing}",
        caveat=_caveat(aligned),
        p_value=min(1.0, worst),
        level=1 - confidence,
        estimates=tuple(
            Estimate(part=name, value=part.interval.estimate, low=part.low, high=part.high)
            for name, part in zip(("all judged steps", "their last part"), parts, strict=True)
        ),
        threshold=threshold,
    )


def _hindrance(aligned: Aligned) -> str:
    """Returns why no interval can be formed; empty if it can."""
    b, c, n = aligned.baseline.shape[0], aligned.candidate.shape[0], aligned.steps.size
    if not all(map(one_sign, aligned.baseline)):
        return (
            "the baseline crosses zero, so a relative difference is meaningless: use `tolerance` "
            "with atol"
        )
    if max(b, c) == 1 and n < MIN_PAIR:
        return (
            f"{counted(n, 'common record')} of one run per side are too few for an interval: "
            "repeat the runs with other seeds, or use `tolerance` with a margin that you choose"
        )
    return ""


def one_sign(curve: NDArray[np.float64]) -> bool:
    """Returns whether a curve (n,) and its last third each lie on one side of zero."""
    last = curve[-max(1, curve.size // 3) :]
    return all(
        abs(float(part.mean())) >= SAME_SIGN * float(np.abs(part).mean()) > 0
        for part in (curve, last)
    )


def began_alike(aligned: Aligned) -> bool:
    """Returns whether one run per side began with the same values: equal weights, data and seed."""
    base, cand = aligned.baseline_series[0], aligned.candidate_series[0]
    steps, left, right = np.intersect1d(
        base.steps, cand.steps, assume_unique=True, return_indices=True
    )
    if steps.size < FIRST:
        return False
    ours, theirs = base.values[left[:FIRST]], cand.values[right[:FIRST]]
    return bool((np.abs(theirs - ours) <= SAME_START * np.abs(ours)).all())


def _parts(aligned: Aligned, confidence: float) -> tuple[Part, ...]:
    n = aligned.steps.size
    # Rounded down, unlike `thirds`, because the error rates were measured with this length.
    last = max(1, n // 3)
    if aligned.baseline.shape[0] == aligned.candidate.shape[0] == 1:
        last = max(last, MIN_PAIR)
    parts = []
    for name, count in (("whole", n), (f"last {min(last, n)}", min(last, n))):
        base, cand = aligned.baseline[:, -count:], aligned.candidate[:, -count:]
        if base.shape[0] == cand.shape[0] == 1:
            stride = max(1, int(np.median(np.diff(aligned.steps)))) if n > 1 else 1
            overlap = math.ceil(aligned.window / stride)
            interval = from_pair(base[0], cand[0], overlap=overlap)
        else:
            interval = from_runs(base, cand)
        low, high = interval.bounds(confidence)
        parts.append(Part(name=name, steps=count, interval=interval, low=low, high=high))
    return tuple(parts)


def _by_third(aligned: Aligned) -> tuple[float, ...]:
    """Returns the relative difference of the mean level in each third of the steps."""
    base, cand = aligned.baseline_mean, aligned.candidate_mean
    differences = (relative_difference(base[cut], cand[cut]) for cut in thirds(base.size).values())
    return tuple(part for part in differences if math.isfinite(part)) or (0.0,)


def _decide(
    parts: tuple[Part, ...], by_third: tuple[float, ...], aligned: Aligned, margin: float
) -> tuple[Verdict, str]:
    beyond = [part for part in parts if part.outside(margin)]
    if beyond and not _seeds_are_excluded(beyond, aligned):
        return Verdict.INCONCLUSIVE, (
            f"{_intervals(beyond)} beyond the margin, but two seeds of one recipe may differ as "
            f"much (up to {GROSS:g} times was observed)"
        )
    if beyond:
        return Verdict.FAIL, f"{_intervals(beyond)} beyond the margin"
    open_parts = [part for part in parts if not part.inside(margin)]
    if open_parts:
        return Verdict.INCONCLUSIVE, _needed(open_parts[0], aligned, margin)
    if not _cancel(by_third, margin):
        return Verdict.PASS, "both lie inside the margin"
    figures = ", ".join(f"{third:+.2%}" for third in by_third)
    return Verdict.INCONCLUSIVE, (
        f"both lie inside the margin, but the differences of the thirds of the curve, {figures}, "
        "cancel: look at the plot, and compare more seeds"
    )


def _intervals(parts: Sequence[Part]) -> str:
    if len(parts) == 1:
        return f"the interval of {parts[0].name} lies"
    return f"the intervals of {' and '.join(part.name for part in parts)} lie"


def _seeds_are_excluded(beyond: Sequence[Part], aligned: Aligned) -> bool:
    """Returns whether seeds cannot explain a difference beyond the margin."""
    if aligned.baseline.shape[0] > 1 or aligned.candidate.shape[0] > 1 or began_alike(aligned):
        return True
    ratios = [1 + abs(part.interval.estimate) for part in beyond if part.interval.estimate > 0]
    ratios += [
        1 / max(1 + part.interval.estimate, 1e-300)
        for part in beyond
        if part.interval.estimate <= 0
    ]
    return max(ratios) > GROSS


def _cancel(by_third: tuple[float, ...], margin: float) -> bool:
    """Returns whether differences of opposite sign cancel, at least one beyond the margin."""
    up, down = sum(t for t in by_third if t > 0), -sum(t for t in by_third if t < 0)
    return max(map(abs, by_third), default=0.0) > margin and min(up, down) > margin


def _needed(part: Part, aligned: Aligned, margin: float) -> str:
    """Returns what would decide the question if the estimate stays the same."""
    gap = abs(margin - abs(part.interval.estimate))
    half = (part.high - part.low) / 2
    more = (half / gap) ** 2 if gap > 0 else math.inf  # intervals shrink with the root of the runs
    head = f"the interval of {part.name} crosses the margin; "
    if not more < 1000:
        return head + "the difference equals the margin, so no feasible number of runs decides"
    b, c = aligned.baseline.shape[0], aligned.candidate.shape[0]
    if b == c == 1:
        return head + "more steps of the same two runs cannot decide, several seeds per side can"
    return head + f"about {math.ceil(max(b, c, 3) * more)} runs per side would decide"


def _observed(
    parts: tuple[Part, ...], by_third: tuple[float, ...], b: int, c: int
) -> dict[str, Figure]:
    whole, last = parts
    return {
        "difference": whole.interval.estimate,
        "low": whole.low,
        "high": whole.high,
        "steps": whole.steps,
        "last_difference": last.interval.estimate,
        "last_low": last.low,
        "last_high": last.high,
        "last_steps": last.steps,
        "largest_third": max(by_third, key=abs),
        "baseline_runs": b,
        "candidate_runs": c,
    }


def _caveat(aligned: Aligned) -> str:
    b, c = aligned.baseline.shape[0], aligned.candidate.shape[0]
    if min(b, c) >= OWN_SPREAD:
        return ""
    if max(b, c) > 1:
        return (
            "few runs on a side: the rule assumes the same relative spread on both sides; a "
            "candidate that spreads twice as far passes at the margin in 12 % of cases, not in "
            "2.5 %"
        )
    seeds = (
        "one run per side: the interval covers the noise of the steps, not the spread between "
        "seeds, which a single run cannot show"
    )
    cancelling = _cancelling(aligned)
    return f"{cancelling}; {seeds}" if cancelling else seeds


def _cancelling(aligned: Aligned) -> str:
    """Returns a caveat on errors of opposite sign if they dominate; otherwise empty."""
    relative = relative_error(aligned.baseline_mean, aligned.candidate_mean)
    size, signed = float(np.abs(relative).mean()), float(relative.mean())
    if not abs(signed) < size / 3:
        return ""
    changes = int(np.count_nonzero(np.diff(np.signbit(relative))))
    chances = aligned.steps.size - 1
    worst = int(np.argmax(np.abs(relative)))
    by_chance = changes >= chances / 2 - math.sqrt(chances)  # two standard deviations
    kind = "as in noise" if by_chance else "fewer than in noise: whole stretches have one sign"
    return (
        f"errors of opposite sign cancel: a step differs by {size:.2%} on average and by "
        f"{relative[worst]:+.2%} at worst (step {aligned.steps[worst]}), the mean by "
        f"{signed:+.2%}; the sign changes at {changes} of {counted(chances, 'step')}, {kind}"
    )
