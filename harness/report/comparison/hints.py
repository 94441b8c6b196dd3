"""What a difference resembles, as a table in the terminal."""

from __future__ import annotations

from rich.console import Console

from harness.comparison.hints import Hints
from harness.comparison.pipeline import Comparison
from harness.log.wording import counted
from harness.report.screen import lay_out, words
from harness.report.table import Table
from harness.rules import Verdict
from harness.stats.signature import words_of


def write(comparison: Comparison, found: Hints, out: Console) -> None:
    """The verdict in a line, the hints as a table, and how often such hints were right."""
    reasons = comparison.judgement.reasons
    out.print(words(f"{comparison.verdict}: {reasons[0] if reasons else ''}"), soft_wrap=True)
    passes = comparison.verdict is Verdict.PASS
    why_none = "the candidate passes, there is nothing to explain" if passes else found.why_none
    if why_none:
        out.print(words(f"no hint: {why_none}"), soft_wrap=True)
        return
    if comparison.verdict is not Verdict.FAIL:
        out.print("The comparison does not fail: what follows may be the noise of seeds.")
    out.print(lay_out(table(found)))
    first, three = found.rates
    out.print(
        "Hints, not a verdict: among training runs with planted defects that failed, the true one "
        f"came first in {first:.0%} and among the first three in {three:.0%}. {_spread(found)}",
        soft_wrap=True,
    )


def table(found: Hints) -> Table:
    """One row a hint."""
    rows = [
        (
            hint.fault.name,
            f"{hint.alike:.2f}",
            f"{hint.fault.cost:+.1f}",
            f"{hint.fault.summary}. In a port: {hint.fault.origin}.",
            "; ".join(words_of(name) or name for name in hint.features),
        )
        for hint in found.hints
    ]
    head = ("fault", "similarity", "mIoU lost", "what it is", "features")
    return Table(
        title=f"What the difference resembles ({counted(found.shared, 'feature')} compared)",
        head=head,
        rows=tuple(rows),
    )


def _spread(found: Hints) -> str:
    if found.spread_of == "baseline":
        return "Distances are in the spread of the baseline's own seeds."
    return (
        "The baseline's runs are too few to show what seeds do: distances are in the spread of the "
        "corpus, another network's. Give five seeds of the baseline or more."
    )
