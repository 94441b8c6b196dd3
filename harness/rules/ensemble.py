"""Tests whether the curves of both sides are exchangeable: a max-t permutation test.

The rule fails if the curves differ by more than seeds explain, at this level. It passes if it sees
no difference and would have noticed a shift of the mean level by `detect` with 90 % probability: a
test without power is no evidence. A real difference may still be immaterial; `equivalence` tests
whether it matters.
"""

from __future__ import annotations

import math

import numpy as np

from harness.align.aligned import Aligned
from harness.align.auxiliary import finite_only
from harness.align.scale import to_unit
from harness.log.wording import counted
from harness.rules.finding import Figure, Finding, Verdict, check_share, nonfinite
from harness.stats.contrasts import Contrasts, contrasts
from harness.stats.permutation import Exchange, exchange, t_of
from harness.stats.power import minimum_detectable_effect, runs_to_detect, spread_factor
from harness.stats.splits import even_runs_to_reject, runs_to_reject, smallest_p, splits

POWER = 0.9
NAMED = 3


def ensemble(
    aligned: Aligned,
    *,
    level: float = 0.05,
    detect: float = 0.02,
    permutations: int = 10_000,
    seed: int = 1,
) -> Finding:
    """Returns the finding on exchangeable runs, over the loss, schedules and validation.

    Raises:
        PolicyError: `level` is not between 0 and 1.
    """
    check_share("ensemble", "level", level)
    parameters = {"p_value": level, "detect": detect, "permutations": permutations, "seed": seed}
    broken = nonfinite("ensemble", aligned, parameters)
    if broken is not None:
        return broken
    aligned = to_unit(finite_only(aligned))
    b, c = aligned.baseline.shape[0], aligned.candidate.shape[0]
    least = smallest_p(b, c)
    measured = contrasts(aligned)
    ways = splits(b, c, most=permutations, rng=np.random.default_rng(seed))
    result = exchange(measured, ways, level=level)
    if least > level:
        return Finding(
            rule="ensemble",
            verdict=Verdict.INCONCLUSIVE,
            observed={"baseline_runs": b, "candidate_runs": c, "smallest_p_value": least},
            parameters=parameters,
            reason=f"{_cannot(b, c, level)}{_rank(result, b, c)}",
        )
    mde, needed = _power(aligned, result, detect)
    observed: dict[str, Figure] = {
        "p_value": result.p_value,
        "smallest_p_value": least,
        "minimum_detectable_effect": mde,
        "baseline_runs": b,
        "candidate_runs": c,
        "contrasts": len(measured.where),
        "significant": int(np.count_nonzero(result.adjusted <= level)),
        "largest_at": measured.where[int(np.argmax(np.abs(result.correlation)))],
    }
    verdict, closing = _decide(result, level=level, mde=mde, needed=needed, target_effect=detect)
    return Finding(
        rule="ensemble",
        verdict=verdict,
        observed=observed,
        parameters=parameters,
        reason=f"{_test(result, b, c, level)}; {_where(measured, result, level)}; {closing}",
        caveat=_caveat(verdict, c),
        p_value=result.p_value,
        level=level,
    )


def _decide(
    result: Exchange, *, level: float, mde: float, needed: int, target_effect: float
) -> tuple[Verdict, str]:
    if result.p_value <= level:
        return Verdict.FAIL, "the curves differ by more than seeds explain"
    if 0 <= mde <= target_effect:
        return Verdict.PASS, (
            f"no difference was seen, and the test notices a shift of the mean level by {mde:.2%} "
            f"with {POWER:.0%} probability (target {target_effect:.2%})"
        )
    more = f"about {counted(needed, 'candidate run')}" if needed else "more runs on both sides"
    return Verdict.INCONCLUSIVE, (
        f"no difference was seen, but the test notices only a shift of {mde:.2%} or more with "
        f"{POWER:.0%} probability (target {target_effect:.2%}): log {more}"
    )


def _power(aligned: Aligned, result: Exchange, target_effect: float) -> tuple[float, int]:
    """Returns the minimum detectable effect on the mean level, and the runs for the target."""
    from scipy.special import stdtr  # noqa: PLC0415  (half a second, few commands need it)

    base, cand = aligned.baseline.mean(axis=1), aligned.candidate.mean(axis=1)
    b, c, level = base.size, cand.size, abs(float(base.mean()))
    within = float(((base - base.mean()) ** 2).sum() + ((cand - cand.mean()) ** 2).sum())
    spread = math.sqrt(within / (b + c - 2)) / level if level > 0 else math.inf
    if spread == 0:
        return 0.0, 0
    critical = t_of(result.critical, b + c)
    mde = minimum_detectable_effect(spread, b, c, critical_t=critical, power=POWER)
    if mde <= target_effect or not math.isfinite(mde):
        return mde, 0
    tail = float(2 * stdtr(b + c - 2, -critical))
    # Even with 10,000 candidate runs the spread of the b baseline runs remains.
    reachable = spread * spread_factor(b, 10_000) < target_effect
    return mde, runs_to_detect(spread, b, target_effect, tail=tail, power=POWER) if reachable else 0


def _cannot(b: int, c: int, level: float) -> str:
    least, even = smallest_p(b, c), even_runs_to_reject(level=level)
    needed = runs_to_reject(b, level=level)
    against = f"{counted(needed, 'candidate run')} against these {b}, or " if needed else ""
    return (
        f"{b} against {counted(c, 'run')} cannot reject at {level:.3g}: the smallest possible "
        f"p-value is {least:.3g}; log {against}{even or 'many more'} per side"
    )


def _rank(result: Exchange, b: int, c: int) -> str:
    """Returns in words how unusual a single run is among all runs; empty without a single run."""
    if min(b, c) > 1 or max(b, c) < 2:
        return ""
    place = round(result.p_value * result.splits)
    return (
        f"; the single run is number {place} of {b + c} by its distance from the others "
        f"(resolution 1/{b + c})"
    )


def _test(result: Exchange, b: int, c: int, level: float) -> str:
    ways = f"all {result.splits}" if result.exact else f"{result.splits - 1} random"
    return (
        f"max-t permutation test, {b} against {counted(c, 'run')}, {ways} splits: p = "
        f"{result.p_value:.3g} (level {level:g}){_rank(result, b, c)}"
    )


def _where(measured: Contrasts, result: Exchange, level: float) -> str:
    order = np.argsort(-np.abs(result.correlation), kind="stable")
    significant = [i for i in order.tolist() if result.adjusted[i] <= level]
    if not significant:
        return f"the largest contrast, {_named(measured, int(order[0]))}, is within seed variation"
    names = ", ".join(_named(measured, i) for i in significant[:NAMED])
    more = f" and {len(significant) - NAMED} more" if len(significant) > NAMED else ""
    count = counted(len(measured.where), "contrast")
    return f"beyond the simultaneous limit: {names}{more} (of {count})"


def _named(measured: Contrasts, i: int) -> str:
    shift = measured.shift[i]
    return f"{measured.where[i]} ({shift:+.2%})" if np.isfinite(shift) else measured.where[i]


def _caveat(verdict: Verdict, c: int) -> str:
    if verdict is Verdict.FAIL:
        return (
            "a significant difference may be immaterial: use `equivalence` to test whether it "
            "matters"
        )
    if c == 1:
        return "a single candidate run does not show the spread of its side"
    return ""
