"""Decides the verdict from the findings, the facts and the policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.align.aligned import Aligned
from harness.align.comparable import Comparability, SideValue, blocking
from harness.align.start import PRECISION
from harness.align.windows import interval
from harness.errors import PolicyError
from harness.log.fact_table import DEVICES_PER_CARD
from harness.log.facts import FACTS, FINGERPRINTS
from harness.log.fingerprint import ALIKE, distance
from harness.log.wording import counted
from harness.rules import Finding, RuleCall, Verdict, parse_rule, rule_call
from harness.rules.equivalence import began_alike
from harness.rules.holm import holm
from harness.rules.same_start import RULE as SAME_START
from harness.stats.seeds import FEWEST

DEFAULT_RULES = (RuleCall(name="default"),)
VALIDATION = "val."
MIN_STEPS = 50
"""Default number of records that a pass needs: the window of the published rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a port must satisfy. Every rule must pass; failures of tests are corrected by Holm.

    `rules` are texts as on the command line, or results of `parse_rule`; `calls` holds them parsed
    and checked. `allow` waives facts; `series`, `series.NAME` and `ranks` waive what the candidate
    does not log. `steps` limits the judgement to the part from the first to the second step, `last`
    to the last N common steps.
    `min_steps` is the number of common records (steps times the runs of the smaller side) that a
    pass needs: 50 by default, and 1 for a validation metric, which has few records. `max_missing`
    is the fraction of steps within the common range that may be missing on one side.

    Raises:
        PolicyError: a number outside its range, or an unknown rule or parameter.

    >>> Policy(rules=("equivalence:margin=1%",)).calls[0].parameters["margin"]
    0.01
    """

    metric: str = "loss"
    rank: int = 0
    rules: Sequence[str | RuleCall] = DEFAULT_RULES
    calls: tuple[RuleCall, ...] = field(init=False, repr=False, compare=False)
    allow: tuple[str, ...] = ()
    allow_reason: str = ""
    last: int | None = None
    steps: tuple[int, int] | None = None
    min_steps: int | None = None
    max_missing: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.rules, str):
            msg = f"rules is the text {self.rules!r}; expected a sequence: ({self.rules!r},)"
            raise PolicyError(msg)
        object.__setattr__(self, "calls", tuple(map(_call, self.rules)))
        object.__setattr__(self, "rules", self.calls)
        first, last = self.steps or (0, 0)
        for name, value, fits, expected in (
            ("last", self.last, self.last is None or self.last >= 1, "1 or more"),
            ("steps", self.steps, 0 <= first <= last, "first and last step, 0 or more"),
            ("rank", self.rank, self.rank >= 0, "0 or more"),
            ("min_steps", self.min_steps, self.records >= 1, "1 or more"),
            ("max_missing", self.max_missing, 0 <= self.max_missing <= 1, "from 0 to 1"),
        ):
            if not fits:
                msg = f"{name} is {value!r}; expected {expected}"
                raise PolicyError(msg)

    @property
    def records(self) -> int:
        """The number of common records that a pass needs."""
        if self.min_steps is not None:
            return self.min_steps
        return 1 if self.metric.startswith(VALIDATION) else MIN_STEPS


def _call(rule: str | RuleCall) -> RuleCall:
    return parse_rule(rule) if isinstance(rule, str) else rule_call(rule.name, rule.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The results of the data checks, in words.

    `failures` fail the candidate regardless of the rules, such as a schedule that differs. `doubts`
    are reasons against a pass. `no_sample` says why runs are not independent: tests then have no
    error rate and decide nothing. `unplaced` says why the records of the two sides may belong to
    different steps: then no rule runs. `placing` says how the records of a log without steps were
    placed; every verdict on them begins with it. `advice` is what an undecided verdict says first:
    a rule that suits these runs better than the one that was asked for.
    """

    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    no_sample: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    placing: str = ""
    advice: tuple[str, ...] = ()

    def after_placing(self, reasons: tuple[str, ...]) -> tuple[str, ...]:
        """Returns reasons, the first of which begins with how records were placed."""
        if not (self.placing and reasons):
            return reasons
        return (f"{self.placing}: {reasons[0]}", *reasons[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its reasons, the most important first.

    `failures` and `doubts` are those of the `Evidence`, with doubts on too few records. `scope`
    names the judged part of the run; it is empty for the whole run.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    scope: str = ""

    def of_rule(self, index: int) -> tuple[Verdict, str]:
        """Returns the verdict of a single rule and its reason, with the data checks applied.

        A failed data check fails every rule, and a doubt turns a pass into inconclusive. The
        failure of another rule has no effect.
        """
        if not self.findings:
            return self.verdict, self.reasons[0] if self.reasons else ""
        finding = self.findings[index]
        if self.failures:
            return Verdict.FAIL, self.failures[0]
        if finding.verdict is Verdict.PASS and self.doubts:
            return Verdict.INCONCLUSIVE, self.doubts[0]
        return finding.verdict, finding.reason


def judge(
    aligned: Aligned,
    rows: Sequence[Comparability],
    policy: Policy,
    evidence: Evidence | None = None,
    *,
    scope: str = "",
) -> Judgement:
    """Returns the verdict on aligned curves.

    Different experiments are incomparable, and no rule runs. Too few steps, or steps missing on one
    side, turn a pass into inconclusive but excuse no failure. `scope` names the judged part of the
    run, empty for the whole run; the reason of a pass states it.
    """
    evidence = evidence or Evidence()
    differing = blocking(rows)
    if differing:
        reasons = tuple(_difference(row, rows) for row in differing)
        return Judgement(verdict=Verdict.INCOMPARABLE, reasons=reasons)
    if evidence.unplaced:
        return Judgement(
            verdict=Verdict.INCONCLUSIVE,
            reasons=evidence.after_placing(evidence.unplaced),
            doubts=evidence.unplaced,
            scope=scope,
        )
    findings = tuple(rule(aligned) for rule in policy.calls)
    by_start = bool(findings) and all(f.rule == SAME_START for f in findings)
    no_sample = () if by_start else evidence.no_sample  # runs of one start share seed and data
    findings = tuple(map(_undecided, findings)) if no_sample else holm(findings)
    records = 1 if by_start else policy.records  # that rule counts steps itself
    doubts = (*evidence.doubts, *no_sample, *too_little(aligned, policy, records))
    failed = [f for f in findings if f.verdict is Verdict.FAIL]
    undecided = [f for f in findings if f.verdict is not Verdict.PASS]
    if failed or evidence.failures:
        told = [f for f in undecided if f.rule == SAME_START]  # may explain what failed
        verdict, reasons = Verdict.FAIL, (*evidence.failures, *_reasons(failed or told))
    elif doubts or undecided or not findings:
        verdict = Verdict.INCONCLUSIVE
        reasons = (*doubts, *_reasons(undecided)) or ("the policy names no rule",)
        reasons = (*(() if by_start else evidence.advice or _single_runs(aligned)), *reasons)
    else:
        verdict, reasons = Verdict.PASS, _reasons(findings)
        if scope:
            reasons = (f"{scope}: {reasons[0]}", *reasons[1:])
    return Judgement(
        verdict=verdict,
        findings=findings,
        reasons=evidence.after_placing(reasons),
        failures=evidence.failures,
        doubts=doubts,
        scope=scope,
    )


def _difference(row: Comparability, rows: Sequence[Comparability]) -> str:
    """Returns in words how a fact differs, and for a start what to do about it."""
    values = f"{_text(row.baseline)} in the baseline and {_text(row.candidate)} in the candidate"
    if row.fact == PRECISION and any(r.fact in FINGERPRINTS and r.kind == "same" for r in rows):
        return (
            f"{row.fact} is {values}: train both sides in one precision, or record perturbed runs "
            f"of the baseline in {_text(row.candidate)} and allow the difference "
            f"(--allow {row.fact})"
        )
    if row.fact not in FINGERPRINTS:
        return f"{row.fact} is {values}{_cards(row, rows)}"
    apart = distance(row.baseline, row.candidate) if _one_each(row) else math.inf
    size = (
        f"fingerprints {row.fact} are {apart:.2g} apart, equal ones agree to {ALIKE:g}"
        if apart < math.inf
        else f"{row.fact} is {values}; a fingerprint is a row of numbers, written by the same "
        "function on both sides, because a checksum differs after a rounding"
    )
    return f"the two sides did not start alike: the {FACTS[row.fact]} differ ({size})"


def _one_each(row: Comparability) -> bool:
    return not any(isinstance(side, tuple) for side in (row.baseline, row.candidate))


def _cards(row: Comparability, rows: Sequence[Comparability]) -> str:
    """Returns a remark where one side runs a process on each device of a card."""
    if row.fact != "world_size":
        return ""
    kinds = next(((r.baseline, r.candidate) for r in rows if r.fact == "device_kind"), (None, None))
    for kind, own, other in (
        (kinds[0], row.baseline, row.candidate),
        (kinds[1], row.candidate, row.baseline),
    ):
        devices = DEVICES_PER_CARD.get(str(kind), 1)
        if devices > 1 and (own, other) == (devices, 1):
            return f" (one {str(kind).upper()} card has {devices} devices, with one process each)"
    return ""


def _text(value: SideValue) -> str:
    """Returns the value of a fact as text; values of runs that disagree are joined by "or"."""
    return " or ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _single_runs(aligned: Aligned) -> tuple[str, ...]:
    """Returns what a single run per side cannot show, and what to do; empty if it can."""
    several = aligned.baseline.shape[0] > 1 or aligned.candidate.shape[0] > 1
    if several or aligned.published is not None or began_alike(aligned):
        return ()
    return (
        "one run per side does not show how much two seeds of this training differ, so the effect "
        "of the port cannot be separated from that of the seed: run both sides from the same start "
        "(docs/how-to/same-start.md), or record more baseline runs with other seeds: one more "
        f"helps, {FEWEST} or more are better, preferably 10",
    )


def too_little(aligned: Aligned, policy: Policy, records: int) -> tuple[str, ...]:
    """Returns why there are fewer than `records` records for a pass, and how to get more."""
    doubts = []
    count = aligned.steps.size
    runs = min(aligned.baseline.shape[0], aligned.candidate.shape[0])
    if count * runs < records:
        of_runs = f" of {counted(runs, 'run')} per side" if runs > 1 else ""
        doubts.append(
            f"{counted(count, 'common record')}{of_runs}, the policy requires {records}: "
            f"{_more(aligned, math.ceil(records / runs))}"
        )
    share = aligned.missing.size / (aligned.missing.size + count)
    if share > policy.max_missing:
        doubts.append(
            f"one side lacks {counted(aligned.missing.size, 'step')} within the common range "
            f"({share:.2%}, limit {policy.max_missing:.2%}), the first is step "
            f"{aligned.missing[0]}: repeat the run, or accept the gap with --max-missing "
            f"{math.ceil(share * 1000) / 1000:g} (max_missing in a manifest)"
        )
    return tuple(doubts)


def _more(aligned: Aligned, needed: int) -> str:
    """Returns how to get so many records: log more often if the steps suffice, or train longer."""
    if aligned.part is not None or aligned.last is not None:
        return "judge a longer part, or require fewer with --min-steps (min_steps in a manifest)"
    stride, _ = interval(aligned.steps)
    span = int(aligned.steps[-1]) - int(aligned.steps[0]) + stride
    if stride > 1 and span >= needed:
        return (
            f"log every {counted(span // needed, 'step')} or more often (now every {stride}), or "
            "require fewer with --min-steps (min_steps in a manifest)"
        )
    if stride > 1:
        return f"log every step, and train for {counted(needed - span, 'more step')}"
    more = counted(needed - span, "more step")
    return f"train for {more}, or require fewer with --min-steps (min_steps in a manifest)"


def _undecided(finding: Finding) -> Finding:
    """Returns the finding of a test as inconclusive and without a p-value, others unchanged."""
    if finding.p_value is None:
        return finding
    reason = f"{finding.reason}; but the runs are not independent"
    return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason, p_value=None, level=None)


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(f"{f.rule}: {f.reason}" for f in findings)
