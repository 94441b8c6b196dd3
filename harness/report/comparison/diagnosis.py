"""What a difference resembles, as a table in the terminal."""

from __future__ import annotations

from rich.console import Console

from harness.comparison.diagnosis import Diagnosis
from harness.comparison.pipeline import Comparison
from harness.log.wording import counted
from harness.report.screen import lay_out, words
from harness.report.table import Table
from harness.rules import Verdict
from harness.stats.signature import words_of


def write(comparison: Comparison, diagnosis: Diagnosis, out: Console) -> None:
    """Prints the verdict, the similar faults as a table, and how often a diagnosis was right."""
    reasons = comparison.judgement.reasons
    out.print(words(f"{comparison.verdict}: {reasons[0] if reasons else ''}"), soft_wrap=True)
    passes = comparison.verdict is Verdict.PASS
    why_empty = (
        "the candidate passes, there is nothing to explain" if passes else diagnosis.why_empty
    )
    if why_empty:
        out.print(words(f"no hint: {why_empty}"), soft_wrap=True)
        return
    if comparison.verdict is not Verdict.FAIL:
        out.print("The comparison does not fail: what follows may be the noise of seeds.")
    out.print(lay_out(table(diagnosis)))
    first, three = diagnosis.rates
    out.print(
        "Hints, not a verdict: among training runs with injected faults that failed, the true one "
        f"came first in {first:.0%} and among the first three in {three:.0%}. {_spread(diagnosis)}",
        soft_wrap=True,
    )


def table(diagnosis: Diagnosis) -> Table:
    """One row a entry."""
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
        return "Distances are in the spread of the baseline's own seeds."
    return (
        "The baseline's runs are too few to show what seeds do: distances are in the spread of the "
        "corpus, another network's. Give five seeds of the baseline or more."
    )
