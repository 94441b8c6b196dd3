"""The content of a report as titled tables of text; the writers only lay them out."""

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
from harness.rules import Finding, RuleCall

ERRORS_NOTE = (
    "rel divides each step's error by that step's baseline and takes the mean, so steps with a "
    "small baseline weigh more than in the difference of the mean level: the two differ, at times "
    "in sign"
)
CLASSES = {
    "differs": "must match, differs",
    "unknown": "unknown",
    "may_differ": "differs, may",
    "same": "same",
}


def headline(comparison: Comparison) -> str:
    """The verdict in words, with what sets it apart from one on the whole run, nothing waived."""
    scope = qualifier(comparison) or comparison.judgement.scope
    return verdicts.row(comparison.verdict).headline + (f"; {scope}" if scope else "")


def reasons(comparison: Comparison) -> tuple[str, ...]:
    """The reasons of the verdict, without the part of the run that the headline names."""
    judgement = comparison.judgement
    scope = f"{judgement.scope}: " if judgement.scope else ""
    return tuple(reason.removeprefix(scope) for reason in judgement.reasons)


def side_text(value: SideValue) -> str:
    """A fact of one side; several values of an ensemble are listed, a missing one says so."""
    if value is None:
        return "not stated"
    if isinstance(value, tuple):
        return ", ".join(str(v) for v in value)
    return str(value)


def figure(value: float | int | str | None) -> str:
    """A figure of a finding: whole numbers whole, others with five digits."""
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def figures(items: Mapping[str, float | int | str | None]) -> str:
    """Named figures, one a line."""
    return "\n".join(f"{name} = {figure(value)}" for name, value in items.items()) or "-"


def facts_table(comparison: Comparison) -> Table:
    """Facts that differ first; those that agree last."""
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
    """The facts that neither side states."""
    return tuple(
        row.fact
        for row in comparison.comparability
        if row.baseline is None and row.candidate is None
    )


def rules_table(comparison: Comparison) -> Table:
    """Every rule with what it observed beside its parameters."""
    findings = comparison.judgement.findings
    rows = tuple(
        (f.rule, str(f.verdict), figures(f.observed), figures(f.parameters)) for f in findings
    )
    return Table(title="Rules", head=("rule", "verdict", "observed", "parameters"), rows=rows)


def said(finding: Finding, comparison: Comparison) -> bool:
    """Whether a finding's reason is among those of the verdict."""
    line = f"{finding.rule}: {finding.reason}"
    return any(reason.endswith(line) for reason in comparison.judgement.reasons)


def finding_lines(finding: Finding, comparison: Comparison | None = None) -> tuple[str, ...]:
    """A finding in words: the reason, and what the rule cannot see.

    Beside the verdict of a comparison the reason is left out if it is one of that verdict's.
    """
    lines = []
    if comparison is None or not said(finding, comparison):
        lines.append(f"{finding.rule}: {finding.reason}")
    if finding.caveat:
        lines.append(f"{finding.rule}, caveat: {finding.caveat}")
    return tuple(lines)


def errors_table(comparison: Comparison) -> Table:
    """Errors overall and by window; relative ones in percent."""
    measures = comparison.measures
    rows = tuple(_errors_row(e) for e in (measures.overall, *measures.windows))
    head = ("window", "steps", "rel", "|rel|", "abs", "|abs|", "rmse", "max |abs|", "at step")
    return Table(
        title="Errors of single steps (candidate - baseline), their means", head=head, rows=rows
    )


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
    """Which steps were compared, and what was left out."""
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
            "baseline, "
            f"{measures.nonfinite_candidate} of the candidate"
        )
    lines.append(f"error at the first judged step: {measures.first_step_relative:+.2%}")
    return tuple(lines)


def span(aligned: Aligned) -> str:
    """The first and last common step."""
    return f"{aligned.steps[0]} to {aligned.steps[-1]}"


def only(side: str, aligned: Aligned) -> str:
    """How many steps only this side has, and which."""
    steps = aligned.baseline_only if side == "baseline" else aligned.candidate_only
    if not steps.size:
        return f"no step of the {side} only"
    return f"{counted(steps.size, 'step')} of the {side} only ({listed(steps)})"


def inputs_table(comparison: Comparison) -> Table:
    """The logs with size and hash."""
    rows = [_input_row("baseline", run) for run in comparison.baseline]
    rows += [_input_row("candidate", run) for run in comparison.candidate]
    head = ("side", "log", "bytes", "sha256", "read as")
    return Table(title="Inputs", head=head, rows=tuple(rows))


def _input_row(side: str, run: Run) -> tuple[str, ...]:
    size = str(run.size_bytes) if run.size_bytes else "-"
    return (side, run.source, size, run.sha256[:16] or "-", ", ".join(run.formats))


def remarks(comparison: Comparison) -> tuple[str, ...]:
    """Notes of the comparison and of the logs, damaged records included."""
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
    """The policy in force."""
    policy = comparison.policy
    lines = [
        *(f"rule {text}" for text in asked(comparison)),
        "every rule must pass" if len(policy.calls) > 1 else "the rule must pass",
        f"at least {counted(policy.records, 'common record')}, at most {policy.max_missing:.1%} "
        "missing",
    ]
    if policy.allow:
        reason = f": {policy.allow_reason}" if policy.allow_reason else ""
        lines.append(f"allowed to differ: {_listing(policy.allow)}{reason}")
    return tuple(lines)


def asked(comparison: Comparison) -> tuple[str, ...]:
    """The rules of the policy with their parameters; behind `default`, the rule that it chose."""
    findings = comparison.judgement.findings
    chosen = [finding.rule for finding in findings] or [r.name for r in comparison.policy.calls]
    return tuple(
        f"{rule.name}{_parameters(rule)}" + (f", which is {name} here" if name != rule.name else "")
        for rule, name in zip(comparison.policy.calls, chosen, strict=True)
    )


def _parameters(rule: RuleCall) -> str:
    given = ", ".join(f"{name} {figure(value)}" for name, value in rule.in_force.items())
    return f" with {given}" if given else ""


def _listing(items: Iterable[str]) -> str:
    return ", ".join(items)
