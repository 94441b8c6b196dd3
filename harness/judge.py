"""Findings, comparability and policy -> verdict. Decides; nothing here formats a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.align import Aligned
from harness.comparable import Comparability, blocking
from harness.rules import Finding, RuleCall, Verdict

DEFAULT_RULES = (RuleCall(name="two-sided"),)
MIN_STEPS = 50
"""Steps that a verdict needs unless the policy says otherwise: the field's own window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a port must satisfy. Every rule must pass.

    `allow` waives facts, `last` judges the last N common steps only, `min_steps` is the number of
    common steps below which nothing is concluded, `max_missing` the fraction of steps inside the
    common range that may be missing on one side.
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


def judge(aligned: Aligned, rows: Sequence[Comparability], policy: Policy) -> Judgement:
    """The verdict on aligned curves.

    Two experiments are incomparable, and no rule is asked. Too few steps, or steps missing on one
    side, turn a pass into inconclusive; they excuse no failure.
    """
    differing = blocking(rows)
    if differing:
        reasons = tuple(
            f"{row.fact} is {row.baseline} in the baseline and {row.candidate} in the candidate"
            for row in differing
        )
        return Judgement(verdict=Verdict.INCOMPARABLE, reasons=reasons)
    findings = tuple(rule(aligned) for rule in policy.rules)
    doubts = too_little(aligned, policy)
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
    if count < policy.min_steps:
        doubts.append(
            f"{count} common steps, the policy asks for {policy.min_steps}: "
            f"log {policy.min_steps - count} more"
        )
    share = aligned.missing.size / (aligned.missing.size + count)
    if share > policy.max_missing:
        doubts.append(
            f"{aligned.missing.size} steps inside the common range are missing on one side "
            f"({share:.2%}, limit {policy.max_missing:.2%}), the first is step "
            f"{aligned.missing[0]}: repeat the run or log every step"
        )
    return tuple(doubts)


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(f"{f.rule}: {f.reason}" for f in findings)
