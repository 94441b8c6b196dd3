"""One comparison from runs to verdict: the pipeline in one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.align.aligned import Aligned, align, select
from harness.align.auxiliary import with_auxiliary
from harness.align.comparable import Comparability, check_allow, compare_facts, weighty_unknowns
from harness.align.measure import Measures, measure
from harness.align.windows import interval, joined
from harness.comparison.judge import Evidence, Judgement, Policy, judge
from harness.errors import AlignmentError, PolicyError
from harness.log.run import Run, Series
from harness.log.wording import counted
from harness.quality.caveats import data_caveats
from harness.quality.completeness import WHOLE, incomplete
from harness.quality.order import BY_ORDER, uneven, unplaced
from harness.quality.ranks import check_rank, other_ranks, repeated_ranks
from harness.quality.records import check_records
from harness.quality.runset import check_runs
from harness.quality.schedules import check_schedules, without_schedules
from harness.rules import Verdict

ANOTHER_UNIT = 8.0
"""Levels that lie this many times apart are more likely logged in other units than trained so."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Everything that a report says. `notes` are remarks that decide nothing.

    `waived_schedules` say which logged schedules differ, as the policy allows.
    """

    baseline: tuple[Run, ...]
    candidate: tuple[Run, ...]
    policy: Policy
    comparability: tuple[Comparability, ...]
    aligned: Aligned
    whole: Aligned
    measures: Measures
    judgement: Judgement
    notes: tuple[str, ...]
    waived_schedules: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict of the judgement."""
        return self.judgement.verdict


def compare(
    baseline: Run | Sequence[Run], candidate: Run | Sequence[Run], policy: Policy | None = None
) -> Comparison:
    """Compares candidate runs with baseline runs under a policy (the default one if none given).

    Raises:
        AlignmentError: the runs have no series, or no step, in common.
        PolicyError: the policy allows something that is not a fact, or has no runs to judge.
    """
    policy = policy or Policy()
    base = (baseline,) if isinstance(baseline, Run) else tuple(baseline)
    cand = (candidate,) if isinstance(candidate, Run) else tuple(candidate)
    if not base or not cand:
        msg = "a comparison needs at least one baseline run and one candidate run"
        raise PolicyError(msg)
    check_allow(policy.allow)
    metric, cand = _one_name(policy, base, cand)
    whole = with_auxiliary(align(base, cand, metric=metric, rank=policy.rank), base, cand)
    part = whole if policy.steps is None else _part(whole, policy.steps)
    aligned = part if policy.last is None else part.tail(policy.last)
    rows = compare_facts([r.facts for r in base], [r.facts for r in cand], allow=policy.allow)
    records = check_records(base, cand, aligned)
    schedules = check_schedules(part, [run.source for run in cand], policy.allow)
    others = [
        check_rank(base, cand, aligned, rank, policy.allow)
        for rank in other_ranks(base, cand, aligned)
    ]
    evidence = Evidence(
        failures=(
            *schedules.failures,
            *records.failures,
            *(text for found in others for text in found.failures),
        ),
        doubts=(
            *uneven(base, cand, aligned),
            *incomplete(base, cand, aligned, policy.allow),
            *data_caveats(base, cand, part),
            *records.doubts,
            *schedules.doubts,
            *repeated_ranks(base, cand, aligned),
            *(text for found in others for text in found.doubts),
        ),
        no_sample=(
            *check_runs("baseline", base, aligned),
            *check_runs("candidate", cand, aligned),
        ),
        unplaced=unplaced(base, cand, aligned),
        placing=BY_ORDER if aligned.by_order else "",
    )
    return Comparison(
        baseline=base,
        candidate=cand,
        policy=policy,
        comparability=rows,
        aligned=aligned,
        whole=whole,
        measures=measure(aligned),
        judgement=judge(
            without_schedules(aligned), rows, policy, evidence, scope=_scope(aligned, base)
        ),
        waived_schedules=schedules.waived,
        notes=(
            *(f"{text}: judged all the same, as allowed" for text in schedules.waived),
            *_notes(rows, whole, aligned),
            *_joined([select(run, metric, policy.rank) for run in (*base, *cand)], whole),
            *_progress("baseline", base),
            *_progress("candidate", cand),
        ),
    )


def _one_name(
    policy: Policy, baseline: Sequence[Run], candidate: tuple[Run, ...]
) -> tuple[str, tuple[Run, ...]]:
    """The judged series' name, and the candidate runs with it under that name.

    `A=B` judges the candidate's B against the baseline's A, unless a series has that very name.

    Raises:
        AlignmentError: a candidate run has no B; the message lists what it has.
    """
    ours, _, theirs = policy.metric.partition("=")
    literal = any(series.name == policy.metric for run in baseline for series in run.series)
    if literal or not (ours and theirs):
        return policy.metric, candidate
    return ours, tuple(_renamed(run, theirs, ours, policy.rank) for run in candidate)


def _renamed(run: Run, name: str, to: str, rank: int) -> Run:
    """A run with a series under another name; one that had that name is left out."""
    select(run, name, rank)
    kept = (s for s in run.series if s.name != to or name == to)
    series = tuple(replace(s, name=to) if s.name == name else s for s in kept)
    by_order = tuple(to if other == name else other for other in run.by_order if other != to)
    return replace(run, series=series, by_order=by_order)


def _part(whole: Aligned, steps: tuple[int, int]) -> Aligned:
    """The part of the run that the policy asks for.

    Raises:
        AlignmentError: no common step lies in it.
    """
    found = whole.between(*steps)
    if found is None:
        msg = (
            f"no common step of {whole.metric!r} from {steps[0]} to {steps[1]}; the common steps "
            f"are {whole.steps[0]} to {whole.steps[-1]}"
        )
        raise AlignmentError(msg)
    return replace(found, part=steps)


def _scope(aligned: Aligned, baseline: Sequence[Run]) -> str:
    """The part of the run that is judged, in words; empty where it is the whole.

    The whole is what the baseline planned where its logs say so, else what all of them show.
    """
    ends = [int(s.steps[-1]) for s in aligned.baseline_series]
    planned = [run.facts.get("planned_steps") for run in baseline]
    counted = min(ends) + (1 if aligned.baseline_series[0].steps[0] == 0 else 0)
    whole = max([counted, *(p for p in planned if isinstance(p, int))])
    first, last = int(aligned.steps[0]), int(aligned.steps[-1])
    stride, _ = interval(aligned.steps)
    covered = last + stride - max(0, first - stride + 1)
    asked = aligned.part is not None or aligned.last is not None
    if not asked and covered >= WHOLE * whole:
        return ""
    share = 100 * min(1.0, covered / whole)
    return f"judged on steps {first} to {last} of {whole} ({share:.3g} %)"


def _notes(rows: Sequence[Comparability], aligned: Aligned, judged: Aligned) -> list[str]:
    notes = []
    seeds = next(row for row in rows if row.fact == "seed")
    if seeds.kind == "may_differ":
        notes.append(
            f"seeds differ ({seeds.baseline} and {seeds.candidate}): the runs draw other data and "
            "other dropout, so step-by-step agreement is not to be expected"
        )
    waived = [row.fact for row in rows if row.waived]
    if waived:
        notes.append(f"judged although these facts differ, as allowed: {', '.join(waived)}")
    unknown = [row.fact for row in weighty_unknowns(rows)]
    if unknown:
        notes.append(f"not compared, since one side or both do not state it: {', '.join(unknown)}")
    if judged.steps.size < aligned.steps.size:
        sick = np.flatnonzero(~np.isfinite(aligned.candidate).all(axis=0))
        outside = np.setdiff1d(aligned.steps[sick], judged.steps)
        if outside.size:
            notes.append(
                f"outside the judged part the candidate is NaN or infinite on "
                f"{counted(outside.size, 'step')}, the first is step {outside[0]}"
            )
    unit = _unit(judged)
    if unit:
        notes.append(unit)
    if aligned.lag:
        later = "late" if aligned.lag > 0 else "early"
        notes.append(
            f"the candidate follows the baseline {counted(abs(aligned.lag), 'step')} {later} (lag "
            f"{aligned.lag:+d}): the same run with counters that are off? Nothing was shifted"
        )
    if aligned.left_out:
        others = ", ".join(f"{w} ({counted(n, 'common record')})" for w, n in aligned.left_out)
        notes.append(
            f"{aligned.metric} is judged as means of {counted(aligned.window, 'step')}, which "
            "have the most "
            f"common records ({aligned.steps.size}); also logged as means of {others}"
        )
    if aligned.missing.size:
        notes.append(
            f"one side lacks {counted(aligned.missing.size, 'step')} inside the common range"
        )
    return notes


def _joined(choices: Sequence[tuple[Series, ...]], aligned: Aligned) -> list[str]:
    """That means of both sides were joined to means over one interval."""
    windows = joined(choices, aligned.window)
    if not windows:
        return []
    return [
        f"{aligned.metric} is compared as means of {aligned.window} steps, the shortest interval "
        f"that whole means of both sides fill (logged are means of "
        f"{' and '.join(map(str, windows))} steps); no record is split or interpolated"
    ]


def _unit(judged: Aligned) -> str:
    """A hint where the levels differ so much that the two sides can hardly log the same thing."""
    with np.errstate(all="ignore"):
        base, cand = float(judged.baseline_mean.mean()), float(judged.candidate_mean.mean())
        times = float(np.float64(cand) / base)
    if not (times > 0 and math.isfinite(times)):
        return ""
    high, low = ("candidate", "baseline") if times > 1 else ("baseline", "candidate")
    size = max(times, 1 / times)
    if size < ANOTHER_UNIT:
        return ""
    return (
        f"the {high}'s {judged.metric} is about {size:.3g} times the {low}'s: another unit, or a "
        "sum for a mean? Check what each side logs"
    )


def _progress(side: str, runs: Sequence[Run]) -> list[str]:
    """How much of the planned run each log has seen."""
    notes = []
    for run in runs:
        planned = run.facts.get("planned_steps")
        seen = max(int(s.steps[-1]) for s in run.series) + 1
        if isinstance(planned, int) and seen < planned:
            notes.append(
                f"{side} {run.source} stops at step {seen} of {planned} planned "
                f"({seen / planned:.1%} of the run was seen)"
            )
    return notes
