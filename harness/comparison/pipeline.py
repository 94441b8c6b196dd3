"""The pipeline: compares the runs of both sides and returns everything that a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.align.aligned import Aligned, align, select
from harness.align.auxiliary import with_auxiliary
from harness.align.comparable import Comparability, check_allow, compare_facts
from harness.align.measure import Measures, measure
from harness.align.start import parted, start_of, stated
from harness.align.windows import interval
from harness.comparison.better import Better, better_than_baseline
from harness.comparison.final import final
from harness.comparison.judge import Evidence, Judgement, Policy, judge
from harness.comparison.notes import notes_on, without_start
from harness.errors import AlignmentError, PolicyError
from harness.log.run import Run
from harness.quality.caveats import data_caveats
from harness.quality.completeness import WHOLE, incomplete
from harness.quality.order import BY_ORDER, uneven, unplaced
from harness.quality.ranks import check_rank, other_ranks, repeated_ranks
from harness.quality.records import check_records
from harness.quality.runset import check_runs
from harness.quality.schedules import check_schedules, without_schedules
from harness.rules import Verdict
from harness.rules.same_start import RULE as SAME_START


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Everything that a report shows.

    `aligned` has the judged steps, `whole` all common steps. `notes` are remarks without influence
    on the verdict. `waived_schedules` are the differing schedules that the policy allows.
    `perturbed` are the perturbed runs of a given start, of the baseline and of the candidate; they
    are in neither `baseline` nor `candidate`. `better` says by how much a failing candidate is
    better than the baseline; None if it is not.
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
    perturbed: tuple[tuple[Run, ...], tuple[Run, ...]] = ((), ())
    better: Better | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict of the judgement."""
        return self.judgement.verdict

    @property
    def sides(self) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
        """All runs of the baseline and of the candidate, perturbed ones last."""
        ours, theirs = self.perturbed
        return (*self.baseline, *ours), (*self.candidate, *theirs)


def compare(
    baseline: Run | Sequence[Run], candidate: Run | Sequence[Run], policy: Policy | None = None
) -> Comparison:
    """Returns the comparison of candidate runs with baseline runs under a policy.

    Without a policy the default policy applies.

    Raises:
        AlignmentError: the runs have no common series, or no common step.
        PolicyError: `allow` contains an unknown name, a side has no run, or the baseline mixes a
            published result with other runs.
    """
    policy = policy or Policy()
    base = (baseline,) if isinstance(baseline, Run) else tuple(baseline)
    cand = (candidate,) if isinstance(candidate, Run) else tuple(candidate)
    if not base or not cand:
        msg = "a comparison needs at least one baseline run and one candidate run"
        raise PolicyError(msg)
    check_allow(policy.allow)
    metric, cand = _one_name(policy, base, cand)
    base, ours = parted(base, "baseline")
    cand, theirs = parted(cand, "candidate")
    evaluated = policy.metric.partition("=")[2]
    ends = final(base, cand, metric=metric, evaluated=evaluated, allow=policy.allow)
    base, cand, logged = ends.baseline, ends.candidate, ends.published is None
    whole = with_auxiliary(align(base, cand, metric=metric, rank=policy.rank), base, cand)
    whole = replace(whole, published=ends.published)
    by_start = stated((*base, *cand)) or any(call.name == SAME_START for call in policy.calls)
    if by_start and logged:
        whole = replace(whole, start=start_of(base, cand, ours, theirs, metric=metric))
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
            *(text for rank in others for text in rank.failures),
        ),
        doubts=(
            *ends.doubts,
            *uneven(base, cand, aligned),
            *incomplete(base, cand, aligned, policy.allow),
            *data_caveats(base, cand, part),
            *records.doubts,
            *schedules.doubts,
            *repeated_ranks(base, cand, aligned),
            *(text for rank in others for text in rank.doubts),
        ),
        no_sample=(
            *(check_runs("baseline", base, aligned) if logged else ()),
            *check_runs("candidate", cand, aligned),
        ),
        unplaced=(*ends.unplaced, *unplaced(base, cand, aligned)),
        placing=BY_ORDER if aligned.by_order else "",
        advice=_name_the_rule(base, cand) if whole.start is None and logged else (),
    )
    judged = without_schedules(aligned)
    judgement = judge(judged, rows, policy, evidence, scope=_scope(aligned, base) if logged else "")
    better = better_than_baseline(judged, judgement)
    if better is not None:
        judgement = replace(judgement, reasons=(*judgement.reasons, better.sentence))
    return Comparison(
        baseline=base,
        candidate=cand,
        policy=policy,
        comparability=rows,
        aligned=aligned,
        whole=whole,
        measures=measure(aligned),
        judgement=judgement,
        better=better,
        waived_schedules=schedules.waived,
        perturbed=(ours, theirs),
        notes=(
            *ends.notes,
            *(f"{text}: judged nevertheless, as allowed" for text in schedules.waived),
            *notes_on(
                base,
                cand,
                rows,
                whole=whole,
                judged=aligned,
                choices=[select(run, metric, policy.rank) for run in (*base, *cand)],
            ),
        ),
    )


def _name_the_rule(baseline: Sequence[Run], candidate: Sequence[Run]) -> tuple[str, ...]:
    """Returns how to judge a start that only one side states; empty for other runs."""
    lacking = without_start(baseline, candidate)
    if not lacking:
        return ()
    return (
        f"the {lacking} does not state its start, so the first steps were not judged from it: if "
        f"both sides began alike, name the rule (--rule {SAME_START})",
    )


def _one_name(
    policy: Policy, baseline: Sequence[Run], candidate: tuple[Run, ...]
) -> tuple[str, tuple[Run, ...]]:
    """Returns the name of the judged series, and the candidate runs with that name.

    `A=B` judges the candidate's B against the baseline's A, unless a series is named `A=B`.

    Raises:
        AlignmentError: a candidate run has no B; the message lists the series that it has.
    """
    ours, _, theirs = policy.metric.partition("=")
    literal = any(series.name == policy.metric for run in baseline for series in run.series)
    if literal or not (ours and theirs):
        return policy.metric, candidate
    return ours, tuple(_renamed(run, theirs, ours, policy.rank) for run in candidate)


def _renamed(run: Run, name: str, to: str, rank: int) -> Run:
    """Returns a run with a series renamed; a series that had the new name is left out."""
    select(run, name, rank)
    kept = (s for s in run.series if s.name != to or name == to)
    series = tuple(replace(s, name=to) if s.name == name else s for s in kept)
    old = (s for s in run.replaced if s.name != to or name == to)
    replaced = tuple(replace(s, name=to) if s.name == name else s for s in old)
    by_order = tuple(to if other == name else other for other in run.by_order if other != to)
    return replace(run, series=series, replaced=replaced, by_order=by_order)


def _part(whole: Aligned, steps: tuple[int, int]) -> Aligned:
    """Returns the part of the run that the policy judges.

    Raises:
        AlignmentError: the part contains no common step.
    """
    part = whole.between(*steps)
    if part is None:
        msg = (
            f"no common step of {whole.metric!r} from {steps[0]} to {steps[1]}; the common steps "
            f"are {whole.steps[0]} to {whole.steps[-1]}"
        )
        raise AlignmentError(msg)
    return replace(part, part=steps)


def _scope(aligned: Aligned, baseline: Sequence[Run]) -> str:
    """Returns the judged part of the run in words; empty if it is the whole run.

    The whole run has the planned steps if the baseline's logs state them, otherwise the steps that
    all of them log.
    """
    ends = [int(s.steps[-1]) for s in aligned.baseline_series]
    planned = [run.facts.get("planned_steps") for run in baseline]
    logged = min(ends) + (1 if aligned.baseline_series[0].steps[0] == 0 else 0)
    whole = max([logged, *(p for p in planned if isinstance(p, int))])
    first, last = int(aligned.steps[0]), int(aligned.steps[-1])
    stride, _ = interval(aligned.steps)
    covered = last + stride - max(0, first - stride + 1)
    limited = aligned.part is not None or aligned.last is not None
    if not limited and covered >= WHOLE * whole:
        return ""
    share = 100 * min(1.0, covered / whole)
    return f"judged on steps {first} to {last} of {whole} ({share:.3g} %)"
