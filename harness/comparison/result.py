"""The result of a port in a manifest: small and plain, for tables, CI, sites and the history."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.align.measure import relative_difference as measured_difference
from harness.align.thinning import stretches
from harness.comparison.pipeline import Comparison
from harness.comparison.quarantine import Quarantine
from harness.errors import HarnessError
from harness.log.shown import shown
from harness.log.wording import counted
from harness.rules import Finding, RuleCall, Verdict
from harness.rules.same_start import RULE as SAME_START

ERROR = "error"
"""The word for a port whose logs cannot be read or compared; it is not a verdict."""
LARGE = 0.05
"""Relative difference from which on a pass is qualified: the limit of the published rule."""
POINTS = 80
"""Points of the small curves that a result keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """The result of a rule. `rule` is its text with parameters, as a manifest could state it."""

    rule: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of an attempt of a port. `name` is its logs, or the earlier check that made it."""

    name: str
    verdict: str
    reason: str = ""
    relative_difference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortResult:
    """The result of a port. JSON keeps it bit for bit.

    `verdict` is a `Verdict` or `error`. For an error, `reasons` contains the message and the
    figures are None or empty. `relative_difference` is that of the mean levels over the judged
    steps, a signed fraction. `coverage` is a fraction. `curve_steps`, `baseline_curve` and
    `candidate_curve` have the same length, at most 80: means over equal stretches of the common
    steps, None for a stretch with NaN or infinity. `line` is the line of the port in `manifest`.
    `started` is ISO 8601 in UTC. `qualifier` says what limits a pass, see the function of that
    name. `p_value` is the smallest level at which the tests among the rules would fail the port,
    and `level` the level at which they do; both are None if no test ran, or if something else than
    a test failed the port. `attempts` are all attempts if there are several; the other fields are
    then those of the worst. `quarantine` has its terms and the day of the check. `better` says by
    how much a failing candidate is better than the baseline; empty if it is not.
    """

    port: str
    verdict: str
    reasons: tuple[str, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    metric: str = "loss"
    steps: int = 0
    coverage: float | None = None
    relative_difference: float | None = None
    curve_steps: tuple[int, ...] = ()
    baseline_curve: tuple[float | None, ...] = ()
    candidate_curve: tuple[float | None, ...] = ()
    manifest: str = ""
    line: int = 1
    started: str = ""
    elapsed_s: float = 0.0
    tool_version: str = ""
    qualifier: str = ""
    p_value: float | None = None
    level: float | None = None
    attempts: tuple[Attempt, ...] = ()
    quarantine: Quarantine | None = None
    better: str = ""

    @property
    def flaky(self) -> bool:
        """Whether an attempt failed and another passed."""
        return {Verdict.FAIL, Verdict.PASS} <= {attempt.verdict for attempt in self.attempts}

    @property
    def held(self) -> bool:
        """Whether a quarantine keeps the verdict from deciding the exit status."""
        quarantined = self.quarantine is not None and self.quarantine.active
        return quarantined and self.verdict != Verdict.PASS

    @property
    def marked(self) -> str:
        """The verdict for tables: with a star if it is qualified, and what the port is besides."""
        star = f"{self.verdict} *" if self.qualifier else self.verdict
        return ", ".join((star, *(["flaky"] * self.flaky), *(["quarantined"] * self.held)))

    def to_json(self) -> str:
        """Returns the result as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> PortResult:
        """Returns the result that `to_json` wrote.

        Raises:
            HarnessError: the text is not such a result.
        """
        try:
            entry = json.loads(text)
            rules = tuple(_rule_of(rule) for rule in entry["rules"])
            attempts = tuple(Attempt(**attempt) for attempt in entry.get("attempts", ()))
            terms = entry.get("quarantine")
            quarantine = None if terms is None else Quarantine.from_entry(terms)
            known = {field.name: field for field in dataclasses.fields(cls)}
            if "effect" in entry:  # the name that earlier versions stored
                entry.setdefault("relative_difference", entry["effect"])
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in entry.items()
                if name in known  # a newer version may have added fields
            }
            nested = {"rules": rules, "attempts": attempts, "quarantine": quarantine}
            result = cls(**(given | nested))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = f"not the result of a port: {type(error).__name__} {error!s:.100}".rstrip()
            raise HarnessError(msg) from error
        wrong = next(_misfits(result), "")
        if wrong:
            msg = f"not the result of a port: {wrong}"
            raise HarnessError(msg)
        return result


def _rule_of(entry: Any) -> RuleResult:
    return RuleResult(rule=entry["rule"], verdict=entry["verdict"], reason=entry["reason"])


def _misfits(result: PortResult) -> Iterator[str]:
    """Yields the fields that have another type than they should."""
    rules = [text for rule in result.rules for text in (rule.rule, rule.verdict, rule.reason)]
    rules += [text for a in result.attempts for text in (a.name, a.verdict, a.reason)]
    texts = [result.port, result.metric, result.manifest, result.started, result.tool_version]
    texts.append(result.better)
    if not all(isinstance(text, str) for text in (*texts, *rules, *_tuple(result.reasons))):
        yield "a text field is not text"
    words = {result.verdict, *(rule.verdict for rule in result.rules)}
    words |= {attempt.verdict for attempt in result.attempts}
    if unknown := words - {*Verdict, ERROR}:
        yield f"unknown verdict {sorted(unknown)[0]!r:.40}"
    curves = (result.baseline_curve, result.candidate_curve)
    counts = (result.steps, result.line, *_tuple(result.curve_steps))
    figures = (
        result.coverage,
        result.relative_difference,
        result.p_value,
        result.level,
        *(attempt.relative_difference for attempt in result.attempts),
        *(v for curve in curves for v in _tuple(curve)),
    )
    # `isinstance` would accept JSON's true as a count; a database column has 64 bits.
    if not all(type(n) is int and abs(n) < 2**63 for n in counts):
        yield "a count is not a whole number"
    if not all(v is None or _is_figure(v) for v in figures) or not _is_figure(result.elapsed_s):
        yield "a figure is not a finite number"
    if len({len(curve) for curve in (*curves, result.curve_steps)}) > 1:
        yield "the curves and their steps differ in length"


def _tuple(value: object) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (None,)


def _is_figure(value: object) -> bool:
    return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]


def judged(port: str, comparison: Comparison, **where: Any) -> PortResult:
    """Returns the result of a comparison. `where` sets further fields, such as the manifest."""
    aligned, whole = comparison.aligned, comparison.whole
    steps, base, cand = _thinned(whole.steps, whole.baseline_mean, whole.candidate_mean)
    p_value, level = _of_tests(comparison)
    return PortResult(
        port=port,
        verdict=str(comparison.verdict),
        reasons=tuple(shown(reason) for reason in comparison.judgement.reasons),
        rules=_rules(comparison),
        metric=comparison.policy.metric,
        steps=int(aligned.steps.size),
        coverage=whole.coverage,
        relative_difference=relative_difference(aligned.baseline_mean, aligned.candidate_mean),
        qualifier=qualifier(comparison),
        p_value=p_value,
        level=level,
        better=comparison.better.short if comparison.better else "",
        curve_steps=steps,
        baseline_curve=base,
        candidate_curve=cand,
        **where,
    )


def _of_tests(comparison: Comparison) -> tuple[float | None, float | None]:
    """Returns the p-value and the level of the tests among the rules together; None without them.

    With k tests, Holm's method fails the port if a p-value is at most 1/k of its level. The
    probability of that is at most the mean of the levels, which makes k times the smallest ratio
    of p-value to level, times this mean, a p-value.
    """
    findings = comparison.judgement.findings
    tests = [(f.p_value, f.level) for f in findings if f.p_value is not None and f.level]
    other = any(f.verdict is Verdict.FAIL for f in findings if f.p_value is None or not f.level)
    if not tests or other or comparison.judgement.failures:
        return None, None
    level = sum(level for _, level in tests) / len(tests)
    least = min(p / level for p, level in tests)
    return min(1.0, len(tests) * least * level), level


def qualifier(comparison: Comparison) -> str:
    """Returns in words what limits a pass; empty for an unlimited pass and for other verdicts.

    A pass is limited if only a part of the run or its first steps were judged, if a fact, schedule
    or series was waived, or if the mean level differs by 5 % or more, the limit of the published
    rule.
    """
    if comparison.verdict is not Verdict.PASS:
        return ""
    aligned, allow = comparison.aligned, comparison.policy.allow
    waived = sum(row.waived for row in comparison.comparability)
    schedules = len(comparison.waived_schedules)
    logs = [item for item in allow if item.split(".")[0] in {"series", "ranks"}]
    level = relative_difference(aligned.baseline_mean, aligned.candidate_mean)
    by_start = [f for f in comparison.judgement.findings if f.rule == SAME_START]
    steps = by_start[0].observed["steps"] if by_start else 0
    first = f"judged on the first {steps} steps from the same start"
    parts = [
        comparison.judgement.scope or (first if by_start else ""),
        f"{counted(waived, 'fact')} waived" if waived else "",
        f"{counted(schedules, 'logged schedule')} waived" if schedules else "",
        f"not required: {', '.join(logs)}" if logs else "",
        f"the mean level differs by {level:+.2%}" if abs(level or 0.0) >= LARGE else "",
    ]
    return "; ".join(part for part in parts if part)


def _rules(comparison: Comparison) -> tuple[RuleResult, ...]:
    """Returns the result of each rule; if no rule ran, the verdict of the comparison."""
    judgement = comparison.judgement
    if not judgement.findings:
        word, why = str(comparison.verdict), shown("; ".join(judgement.reasons))
        return tuple(
            RuleResult(rule=str(call), verdict=word, reason=why) for call in comparison.policy.calls
        )
    outcomes = [judgement.of_rule(i) for i in range(len(judgement.findings))]
    return tuple(
        RuleResult(rule=str(call), verdict=str(verdict), reason=shown(_reason(call, finding, why)))
        for call, finding, (verdict, why) in zip(
            comparison.policy.calls, judgement.findings, outcomes, strict=True
        )
    )


def _reason(call: RuleCall, finding: Finding, why: str) -> str:
    """Returns the reason of a rule's verdict, with the name of the rule that `default` chose."""
    chosen = why == finding.reason and finding.rule != call.name
    return f"{finding.rule}: {why}" if chosen else why


def relative_difference(
    baseline: NDArray[np.float64], candidate: NDArray[np.float64]
) -> float | None:
    """Returns the relative difference of two curves (n,); None if it is not finite."""
    difference = measured_difference(baseline, candidate)
    return difference if math.isfinite(difference) else None


def _thinned(
    steps: NDArray[np.int64], *curves: NDArray[np.float64]
) -> tuple[tuple[int, ...], tuple[float | None, ...], tuple[float | None, ...]]:
    """Returns means over at most 80 equal stretches, each at its middle step.

    A stretch with NaN or infinity has the mean None, which keeps the gap visible.
    """
    parts = stretches(steps.size, POINTS)
    at = tuple(int(steps[(part.start + part.stop) // 2]) for part in parts)
    with np.errstate(all="ignore"):
        means = [[float(curve[part].mean()) for part in parts] for curve in curves]
    base, cand = (tuple(v if math.isfinite(v) else None for v in curve) for curve in means)
    return at, base, cand
