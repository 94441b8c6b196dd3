"""One comparison from runs to verdict: the pipeline in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.align import Aligned, align
from harness.companions import with_companions
from harness.comparable import Comparability, check_allow, compare_facts, weighty_unknowns
from harness.credible import incredible
from harness.curve import Run
from harness.errors import PolicyError
from harness.judge import Judgement, Policy, judge
from harness.measure import Measures, measure
from harness.rules import Verdict
from harness.runset import check_runs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Everything that a report says. `notes` are remarks that decide nothing."""

    baseline: tuple[Run, ...]
    candidate: tuple[Run, ...]
    policy: Policy
    comparability: tuple[Comparability, ...]
    aligned: Aligned
    whole: Aligned
    measures: Measures
    judgement: Judgement
    notes: tuple[str, ...]

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
    whole = with_companions(align(base, cand, metric=policy.metric, rank=policy.rank), base, cand)
    aligned = whole if policy.last is None else whole.tail(policy.last)
    rows = compare_facts([r.facts for r in base], [r.facts for r in cand], allow=policy.allow)
    no_sample = (
        *check_runs("baseline", base, aligned),
        *check_runs("candidate", cand, aligned),
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
            aligned, rows, policy, no_sample=no_sample, incredible=incredible(base, cand, whole)
        ),
        notes=(*_notes(rows, whole), *_progress("baseline", base), *_progress("candidate", cand)),
    )


def _notes(rows: Sequence[Comparability], aligned: Aligned) -> list[str]:
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
        notes.append(f"not verified, since one side or both do not state it: {', '.join(unknown)}")
    if aligned.lag:
        later = "late" if aligned.lag > 0 else "early"
        notes.append(
            f"the candidate follows the baseline {abs(aligned.lag)} step(s) {later} (lag "
            f"{aligned.lag:+d}): the same run with counters that are off? Nothing was shifted"
        )
    if aligned.missing.size:
        notes.append(f"{aligned.missing.size} steps inside the common range lack on one side")
    return notes


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
