"""The content of a report as titled tables and lines of text, which the writers lay out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.align.aligned import Aligned
from harness.align.comparable import SideValue, weighty_unknowns
from harness.align.measure import Errors
from harness.comparison.pipeline import Comparison
from harness.comparison.result import qualifier
from harness.log.run import Run
from harness.log.wording import counted
from harness.report import verdicts
from harness.report.table import Table, listed
from harness.rules import Finding, RuleCall, Verdict
from harness.rules.same_start import RULE as SAME_START

ERRORS_NOTE = (
    "rel is the mean of each step's error divided by that step's baseline. Steps with a small "
    "baseline weigh more in it than in the difference of the mean level, so the two may differ, "
    "even in sign"
)
NEXT = (
    "Next: both sides share a start, so captures of its first step show where they part; run "
    "`harness locate`"
)
CLASSES = {
    "differs": "must match, differs",
    "unknown": "unknown",
    "may_differ": "may differ, differs",
    "same": "same",
}


def headline(comparison: Comparison) -> str:
    """Returns the verdict in words, with the judged part of the run and with waivers."""
    scope = qualifier(comparison) or comparison.judgement.scope
    return verdicts.row(comparison.verdict).headline + (f"; {scope}" if scope else "")


def reasons(comparison: Comparison) -> tuple[str, ...]:
    """Returns the reasons of the verdict, and what to run next if a start is shared.

    The part of the run that the headline names is left out.
    """
    judgement = comparison.judgement
    scope = f"{judgement.scope}: " if judgement.scope else ""
    stated = tuple(reason.removeprefix(scope) for reason in judgement.reasons)
    return (*stated, NEXT) if fails_from_start(comparison) else stated


def fails_from_start(comparison: Comparison) -> bool:
    """Returns whether runs from the same start differ, so that captures can locate the cause."""
    return comparison.verdict is Verdict.FAIL and any(
        finding.rule == SAME_START and finding.verdict is Verdict.FAIL
        for finding in comparison.judgement.findings
    )


def side_text(value: SideValue) -> str:
    """Returns a fact of a side as text; different values are listed, None is "not stated"."""
    if value is None:
        return "not stated"
    if isinstance(value, tuple):
        return ", ".join(str(v) for v in value)
    return str(value)


def figure(value: float | int | str | None) -> str:
    """Returns a figure of a finding as text, floats with five digits."""
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def figures(items: Mapping[str, float | int | str | None]) -> str:
    """Returns named figures, one per line."""
    return "\n".join(f"{name} = {figure(value)}" for name, value in items.items()) or "-"


def facts_table(comparison: Comparison) -> Table:
    """Returns the table of facts, first those that differ, last those that agree."""
    rows = tuple(
        (
            row.fact,
            side_text(row.baseline),
            side_text(row.candidate),
            "differs, waived" if row.waived else CLASSES[row.kind],
        )
        for row in comparison.comparability
        if not (row.kind == "unknown" and row.baseline is None and row.candidate is None)
    )
    return Table(title="Facts", head=("fact", "baseline", "candidate", "class"), rows=rows)


def unstated(comparison: Comparison) -> tuple[str, ...]:
    """Returns the facts that neither side states."""
    return tuple(
        row.fact
        for row in comparison.comparability
        if row.baseline is None and row.candidate is None
    )


def rules_table(comparison: Comparison) -> Table:
    """Returns the table of rules with their observed figures and parameters."""
    findings = comparison.judgement.findings
    rows = tuple(
        (f.rule, str(f.verdict), figures(f.observed), figures(f.parameters)) for f in findings
    )
    return Table(title="Rules", head=("rule", "verdict", "observed", "parameters"), rows=rows)


def is_stated(finding: Finding, comparison: Comparison) -> bool:
    """Returns whether the reasons of the verdict include that of a finding."""
    line = f"{finding.rule}: {finding.reason}"
    return any(reason.endswith(line) for reason in comparison.judgement.reasons)


def finding_lines(finding: Finding, comparison: Comparison | None = None) -> tuple[str, ...]:
    """Returns the reason and the caveat of a finding.

    With a comparison, a reason that its verdict already states is left out.
    """
    lines = []
    if comparison is None or not is_stated(finding, comparison):
        lines.append(f"{finding.rule}: {finding.reason}")
    if finding.caveat:
        lines.append(f"{finding.rule}, caveat: {finding.caveat}")
    return tuple(lines)


def errors_table(comparison: Comparison) -> Table:
    """Returns the table of errors, overall and by window; relative errors are in percent."""
    measures = comparison.measures
    rows = tuple(_errors_row(e) for e in (measures.overall, *measures.windows))
    head = ("window", "steps", "rel", "|rel|", "abs", "|abs|", "rmse", "max |abs|", "at step")
    return Table(title="Mean errors of single steps (candidate - baseline)", head=head, rows=rows)


def _errors_row(e: Errors) -> tuple[str, ...]:
    return (
        e.name,
        f"{e.first_step}-{e.last_step} ({e.count})",
        f"{e.relative:+.2%}",
        f"{e.abs_relative:.2%}",
        f"{e.absolute:+.4g}",
        f"{e.abs_absolute:.4g}",
        f"{e.rmse:.4g}",
        f"{e.max_absolute:.4g}",
        str(e.max_absolute_step),
    )


def alignment_lines(comparison: Comparison) -> tuple[str, ...]:
    """Returns lines on the compared steps and on those that were left out."""
    whole, judged = comparison.whole, comparison.aligned
    series = f"{whole.metric} of rank {whole.rank}"
    if whole.window > 1:
        series += f", means of {counted(whole.window, 'step')}"
    lines = [
        f"{series}: {counted(whole.steps.size, 'common step')}, {span(whole)} "
        f"(coverage {whole.coverage:.1%} of the steps that either side logged)",
        f"left out: {only('baseline', whole)}; {only('candidate', whole)}",
    ]
    if judged.steps.size != whole.steps.size:
        lines.append(f"judged: {judged.steps.size} of them, {span(judged)}")
    measures = comparison.measures
    bad = measures.nonfinite_baseline + measures.nonfinite_candidate
    if bad:
        lines.append(
            f"NaN or infinity: {counted(measures.nonfinite_baseline, 'judged step')} of the "
            f"baseline, {measures.nonfinite_candidate} of the candidate"
        )
    lines.append(f"error at the first judged step: {measures.first_step_relative:+.2%}")
    return tuple(lines)


def span(aligned: Aligned) -> str:
    """Returns the first and last common step as text."""
    return f"{aligned.steps[0]} to {aligned.steps[-1]}"


def only(side: str, aligned: Aligned) -> str:
    """Returns in words which steps only this side has."""
    steps = aligned.baseline_only if side == "baseline" else aligned.candidate_only
    if not steps.size:
        return f"no step of the {side} only"
    return f"{counted(steps.size, 'step')} of the {side} only ({listed(steps)})"


def inputs_table(comparison: Comparison) -> Table:
    """Returns the table of logs with size and hash."""
    base, cand = comparison.sides
    rows = [_input_row("baseline", run) for run in base]
    rows += [_input_row("candidate", run) for run in cand]
    head = ("side", "log", "bytes", "sha256", "read as")
    return Table(title="Inputs", head=head, rows=tuple(rows))


def _input_row(side: str, run: Run) -> tuple[str, ...]:
    size = str(run.size_bytes) if run.size_bytes else "-"
    return (side, run.source, size, run.sha256[:16] or "-", ", ".join(run.formats))


def remarks(comparison: Comparison) -> tuple[str, ...]:
    """Returns the notes of the comparison and of the logs, with damaged records."""
    lines = list(comparison.notes)
    for run in (*comparison.baseline, *comparison.candidate):
        lines += [f"{run.source}: {note}" for note in run.notes]
        lines += [f"{run.source}:{s.line}: {s.reason}" for s in run.skipped[:5]]
        if len(run.skipped) > 5:
            lines.append(f"{run.source}: {counted(len(run.skipped) - 5, 'more damaged record')}")
    weighty = {row.fact for row in weighty_unknowns(comparison.comparability)}  # named in a note
    if nowhere := [fact for fact in unstated(comparison) if fact not in weighty]:
        lines.append(f"neither side states: {', '.join(nowhere)}")
    return tuple(lines)


def policy_lines(comparison: Comparison) -> tuple[str, ...]:
    """Returns lines on the policy."""
    policy = comparison.policy
    lines = [
        *(f"rule {text}" for text in rule_texts(comparison)),
        "every rule must pass" if len(policy.calls) > 1 else "the rule must pass",
        f"at least {_least(comparison)}, at most {policy.max_missing:.1%} missing",
    ]
    if policy.allow:
        reason = f": {policy.allow_reason}" if policy.allow_reason else ""
        lines.append(f"allowed to differ: {_listing(policy.allow)}{reason}")
    return tuple(lines)


def _least(comparison: Comparison) -> str:
    """Returns how much data a pass needs; `same-start` asks for steps, the other rules for more."""
    findings = comparison.judgement.findings
    if findings and all(finding.rule == SAME_START for finding in findings):
        return f"{findings[0].parameters['steps']} common steps from the start"
    return counted(comparison.policy.records, "common record")


def rule_texts(comparison: Comparison) -> tuple[str, ...]:
    """Returns the rules of the policy with their parameters; `default` names its choice."""
    findings = comparison.judgement.findings
    chosen = [finding.rule for finding in findings] or [r.name for r in comparison.policy.calls]
    return tuple(
        f"{rule.name}{_parameters(rule)}" + (f", here {name}" if name != rule.name else "")
        for rule, name in zip(comparison.policy.calls, chosen, strict=True)
    )


def _parameters(rule: RuleCall) -> str:
    given = ", ".join(f"{name} {figure(value)}" for name, value in rule.in_force.items())
    return f" with {given}" if given else ""


def _listing(items: Iterable[str]) -> str:
    return ", ".join(items)
