"""The diagnosis of a difference as a table in the terminal."""

from __future__ import annotations

from rich.console import Console

from harness.comparison.diagnosis import Diagnosis
from harness.comparison.pipeline import Comparison
from harness.log.wording import counted
from harness.report.comparison import tables
from harness.report.screen import lay_out, words
from harness.report.table import Table
from harness.rules import Verdict
from harness.rules.same_start import RULE as SAME_START
from harness.stats.signature import words_of


def write(comparison: Comparison, diagnosis: Diagnosis, out: Console) -> None:
    """Prints the verdict, the similar faults as a table, and the accuracy of a diagnosis."""
    reasons = comparison.judgement.reasons
    out.print(words(f"{comparison.verdict}: {reasons[0] if reasons else ''}"), soft_wrap=True)
    if tables.fails_from_start(comparison):
        out.print(words(tables.NEXT), soft_wrap=True)
    why_empty = _unfit(comparison) or diagnosis.why_empty
    if why_empty:
        out.print(words(f"no diagnosis: {why_empty}"), soft_wrap=True)
        return
    if comparison.verdict is not Verdict.FAIL:
        out.print("The comparison does not fail: the difference may be due to seeds alone.")
    out.print(lay_out(table(diagnosis)))
    first, three = diagnosis.rates
    out.print(
        "These are hints, not a verdict. Among failing training runs with injected faults, the "
        f"true fault was the first in {first:.0%} and among the first three in {three:.0%}. "
        f"{_spread(diagnosis)}",
        soft_wrap=True,
    )


def _unfit(comparison: Comparison) -> str:
    """Returns why known faults explain nothing here; empty if they may."""
    if comparison.verdict is Verdict.PASS:
        return "the candidate passes, so there is no difference to explain"
    if comparison.verdict is Verdict.INCOMPARABLE:
        return "the two sides are different experiments; make the facts equal first"
    if any(finding.rule == SAME_START for finding in comparison.judgement.findings):
        return (
            "the effects of known faults were measured on whole runs, and these runs were judged "
            "by their first steps; the reason above says which part of the training differs first"
        )
    return ""


def table(diagnosis: Diagnosis) -> Table:
    """Returns a table with a row for each similar fault."""
    rows = [
        (
            entry.fault.name,
            f"{entry.similarity:.2f}",
            f"{entry.fault.miou_lost:+.1f}",
            f"{entry.fault.summary}. In a port: {entry.fault.origin}.",
            "; ".join(words_of(name) or name for name in entry.features),
        )
        for entry in diagnosis.similar
    ]
    head = ("fault", "similarity", "mIoU lost", "what it is", "features")
    return Table(
        title=f"What the difference resembles ({counted(diagnosis.shared, 'feature')} compared)",
        head=head,
        rows=tuple(rows),
    )


def _spread(diagnosis: Diagnosis) -> str:
    if diagnosis.spread_of == "baseline":
        return "Distances are in units of the spread of the baseline's seeds."
    return (
        "The baseline has too few runs to show its spread, so distances are in units of the spread "
        "in the corpus, which is that of another network. Pass five seeds of the baseline or more."
    )
