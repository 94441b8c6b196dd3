"""Findings, comparability and policy -> verdict. Decides; nothing here formats a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.align import Aligned
from harness.comparable import Comparability, blocking
from harness.holm import holm
from harness.rules import Finding, RuleCall, Verdict

DEFAULT_RULES = (RuleCall(name="default"),)
MIN_STEPS = 50
"""Steps that a verdict needs unless the policy says otherwise: the field's own window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a port must satisfy. Every rule must pass; rules that are tests fail by Holm's method.

    `allow` waives facts, `last` judges the last N common steps only, `min_steps` is the number of
    common records (steps times the runs of the smaller side) below which nothing is concluded,
    `max_missing` the fraction of steps inside the common range that may be missing on one side.
    """

    metric: str = "loss"
    rank: int = 0
    rules: tuple[RuleCall, ...] = DEFAULT_RULES
    allow: tuple[str, ...] = ()
    allow_reason: str = ""
    last: int | None = None
    min_steps: int = MIN_STEPS
    max_missing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its reasons, the weightiest first.

    `doubts` say why the data could carry no pass, whatever the rules found.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def judge(
    aligned: Aligned,
    rows: Sequence[Comparability],
    policy: Policy,
    *,
    no_sample: Sequence[str] = (),
    incredible: Sequence[str] = (),
) -> Judgement:
    """The verdict on aligned curves.

    Two experiments are incomparable, and no rule is asked. Too few steps, or steps missing on one
    side, turn a pass into inconclusive; they excuse no failure. Where runs are no independent
    sample (`no_sample` says why), a test has no error rate, and decides nothing. Data of which
    agreement would say nothing (`incredible` says why) carry no pass.
    """
    differing = blocking(rows)
    if differing:
        reasons = tuple(
            f"{row.fact} is {row.baseline} in the baseline and {row.candidate} in the candidate"
            for row in differing
        )
        return Judgement(verdict=Verdict.INCOMPARABLE, reasons=reasons)
    findings = tuple(rule(aligned) for rule in policy.rules)
    findings = tuple(map(_undecided, findings)) if no_sample else holm(findings)
    doubts = (*incredible, *no_sample, *too_little(aligned, policy))
    failed = [f for f in findings if f.verdict is Verdict.FAIL]
    undecided = [f for f in findings if f.verdict is not Verdict.PASS]
    if failed:
        verdict, reasons = Verdict.FAIL, _reasons(failed)
    elif doubts or undecided or not findings:
        verdict = Verdict.INCONCLUSIVE
        reasons = (*doubts, *_reasons(undecided)) or ("no rule was asked",)
    else:
        verdict, reasons = Verdict.PASS, _reasons(findings)
    return Judgement(verdict=verdict, findings=findings, reasons=reasons, doubts=doubts)


def too_little(aligned: Aligned, policy: Policy) -> tuple[str, ...]:
    """Why these data cannot carry a pass, with what would."""
    doubts = []
    count = aligned.steps.size
    runs = min(aligned.baseline.shape[0], aligned.candidate.shape[0])
    if count * runs < policy.min_steps:
        of_runs = f" of {runs} runs a side" if runs > 1 else ""
        more = math.ceil(policy.min_steps / runs) - count
        doubts.append(
            f"{count} common steps{of_runs}, the policy asks for {policy.min_steps}: "
            f"log {more} more"
        )
    share = aligned.missing.size / (aligned.missing.size + count)
    if share > policy.max_missing:
        doubts.append(
            f"{aligned.missing.size} steps inside the common range are missing on one side "
            f"({share:.2%}, limit {policy.max_missing:.2%}), the first is step "
            f"{aligned.missing[0]}: repeat the run or log every step"
        )
    return tuple(doubts)


def _undecided(finding: Finding) -> Finding:
    """A test's finding without its word."""
    if finding.p_value is None:
        return finding
    reason = f"{finding.reason}; but the runs are no independent sample"
    return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason)


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(f"{f.rule}: {f.reason}" for f in findings)
