"""Findings, comparability and policy -> verdict. Decides; nothing here formats a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.align.aligned import Aligned
from harness.align.comparable import Comparability, SideValue, blocking
from harness.align.windows import interval
from harness.errors import PolicyError
from harness.log.wording import counted
from harness.rules import Finding, RuleCall, Verdict, parse_rule, rule_call
from harness.rules.equivalence import same_start
from harness.rules.holm import holm
from harness.stats.seeds import FEWEST

DEFAULT_RULES = (RuleCall(name="default"),)
VALIDATION = "val."
MIN_STEPS = 50
"""Steps that a verdict needs unless the policy says otherwise: the field's own window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a port must satisfy. Every rule must pass; rules that are tests fail by Holm's method.

    `rules` are texts, as on the command line, or rules that `parse_rule` has made of them.
    `allow` waives facts, and by `series`, `series.NAME` and `ranks` what the candidate does not
    log. `steps` judges the part of the run from the first to the second step on purpose, `last` the
    last N common steps only. `min_steps` is the number of common records (steps times the runs of
    the smaller side) below which nothing is concluded, by default 50, and 1 for a validation
    figure, of which there are few. `max_missing` is the fraction of steps inside the common range
    that may be missing on one side.

    Raises:
        PolicyError: a number that cannot be met, or a rule or parameter that does not exist or fit.

    >>> Policy(rules=("equivalence:margin=1%",)).calls[0].parameters["margin"]
    0.01
    """

    metric: str = "loss"
    rank: int = 0
    rules: Sequence[str | RuleCall] = DEFAULT_RULES
    allow: tuple[str, ...] = ()
    allow_reason: str = ""
    last: int | None = None
    steps: tuple[int, int] | None = None
    min_steps: int | None = None
    max_missing: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.rules, str):
            msg = f"rules is the text {self.rules!r}; expected several: ({self.rules!r},)"
            raise PolicyError(msg)
        object.__setattr__(self, "rules", tuple(map(_call, self.rules)))
        first, last = self.steps or (0, 0)
        for name, found, fits, expected in (
            ("last", self.last, self.last is None or self.last >= 1, "1 or more"),
            ("steps", self.steps, 0 <= first <= last, "first and last step, 0 or more"),
            ("rank", self.rank, self.rank >= 0, "0 or more"),
            ("min_steps", self.min_steps, self.records >= 1, "1 or more"),
            ("max_missing", self.max_missing, 0 <= self.max_missing <= 1, "from 0 to 1"),
        ):
            if not fits:
                msg = f"{name} is {found!r}; expected {expected}"
                raise PolicyError(msg)

    @property
    def calls(self) -> tuple[RuleCall, ...]:
        """The rules, checked."""
        return tuple(map(_call, self.rules))

    @property
    def records(self) -> int:
        """Common records that a verdict needs."""
        if self.min_steps is not None:
            return self.min_steps
        return 1 if self.metric.startswith(VALIDATION) else MIN_STEPS


def _call(rule: str | RuleCall) -> RuleCall:
    return parse_rule(rule) if isinstance(rule, str) else rule_call(rule.name, rule.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen beside the rules, in words.

    `failures` are evidence against the candidate whatever the rules found, as a schedule that
    differs. `doubts` say why the data carry no pass. Where runs are no independent sample
    (`no_sample` says why), a test has no error rate, and decides nothing. `unplaced` says why the
    records of the two sides may not belong to the same steps: then no rule is asked. `placing` says
    how records were placed whose log states no step; every verdict on them begins with it.
    """

    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    no_sample: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    placing: str = ""

    def after_placing(self, reasons: tuple[str, ...]) -> tuple[str, ...]:
        """Returns reasons, the first of which begins with how records were placed."""
        if not (self.placing and reasons):
            return reasons
        return (f"{self.placing}: {reasons[0]}", *reasons[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its reasons, the weightiest first.

    `failures` and `doubts` are those of the `Evidence`, too few records included. `scope` names the
    part of the run that was judged, empty where it is the whole.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    scope: str = ""

    def of_rule(self, index: int) -> tuple[Verdict, str]:
        """What a test of one rule says, and why: the verdict of its port, as far as it is its own.

        A rule that passes where the data fail or carry no pass does not pass as a test. A failure
        of another rule is that rule's.
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
    """The verdict on aligned curves.

    Two experiments are incomparable, and no rule is asked. Too few steps, or steps missing on one
    side, turn a pass into inconclusive; they excuse no failure. `scope` names the part of the run
    that is judged where that is not the whole; a pass carries it.
    """
    evidence = evidence or Evidence()
    differing = blocking(rows)
    if differing:
        reasons = tuple(
            f"{row.fact} is {_said(row.baseline)} in the baseline and {_said(row.candidate)} in "
            "the candidate"
            for row in differing
        )
        return Judgement(verdict=Verdict.INCOMPARABLE, reasons=reasons)
    if evidence.unplaced:
        return Judgement(
            verdict=Verdict.INCONCLUSIVE,
            reasons=evidence.after_placing(evidence.unplaced),
            doubts=evidence.unplaced,
            scope=scope,
        )
    findings = tuple(rule(aligned) for rule in policy.calls)
    findings = tuple(map(_undecided, findings)) if evidence.no_sample else holm(findings)
    doubts = (*evidence.doubts, *evidence.no_sample, *too_little(aligned, policy))
    failed = [f for f in findings if f.verdict is Verdict.FAIL]
    undecided = [f for f in findings if f.verdict is not Verdict.PASS]
    if failed or evidence.failures:
        verdict, reasons = Verdict.FAIL, (*evidence.failures, *_reasons(failed))
    elif doubts or undecided or not findings:
        verdict = Verdict.INCONCLUSIVE
        reasons = (*doubts, *_reasons(undecided)) or ("no rule was asked",)
        reasons = (*_one_a_side(aligned), *reasons)
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


def _said(value: SideValue) -> str:
    """A fact of one side; the values of runs that differ by comma."""
    return " or ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _one_a_side(aligned: Aligned) -> tuple[str, ...]:
    """What one run a side cannot show, and the one thing to do."""
    if aligned.baseline.shape[0] > 1 or aligned.candidate.shape[0] > 1 or same_start(aligned):
        return ()
    return (
        "one run a side does not show how far two seeds of this training lie apart, so what the "
        f"seed does and what the port does cannot be told apart: record {FEWEST} or more runs of "
        "the baseline with different seeds, better 10; then one run of the candidate can be judged",
    )


def too_little(aligned: Aligned, policy: Policy) -> tuple[str, ...]:
    """Why these data cannot carry a pass, with what would."""
    doubts = []
    count = aligned.steps.size
    runs = min(aligned.baseline.shape[0], aligned.candidate.shape[0])
    if count * runs < policy.records:
        of_runs = f" of {counted(runs, 'run')} a side" if runs > 1 else ""
        doubts.append(
            f"{counted(count, 'common record')}{of_runs}, the policy asks for {policy.records}: "
            f"{_more(aligned, math.ceil(policy.records / runs))}"
        )
    share = aligned.missing.size / (aligned.missing.size + count)
    if share > policy.max_missing:
        doubts.append(
            f"one side lacks {counted(aligned.missing.size, 'step')} inside the common range "
            f"({share:.2%}, limit {policy.max_missing:.2%}), the first is step "
            f"{aligned.missing[0]}: repeat the run, or accept the gap by --max-missing "
            f"{math.ceil(share * 1000) / 1000:g} (max_missing in a manifest)"
        )
    return tuple(doubts)


def _more(aligned: Aligned, needed: int) -> str:
    """How to come by so many records: log more often where the steps suffice, else train longer."""
    if aligned.part is not None or aligned.last is not None:
        return "judge a longer part, or ask for fewer with --min-steps (min_steps in a manifest)"
    stride, _ = interval(aligned.steps)
    span = int(aligned.steps[-1]) - int(aligned.steps[0]) + stride
    if stride > 1 and span >= needed:
        return (
            f"log every {counted(span // needed, 'step')} or more often (it is every {stride} "
            "now), or ask "
            "for fewer with --min-steps (min_steps in a manifest)"
        )
    if stride > 1:
        return f"log every step, and train for {counted(needed - span, 'more step')}"
    more = counted(needed - span, "more step")
    return f"train for {more}, or ask for fewer with --min-steps (min_steps in a manifest)"


def _undecided(finding: Finding) -> Finding:
    """A test's finding without its word."""
    if finding.p_value is None:
        return finding
    reason = f"{finding.reason}; but the runs are no independent sample"
    return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason)


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(f"{f.rule}: {f.reason}" for f in findings)
