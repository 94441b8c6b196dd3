"""The failure text of a rule as a test: the finding and its tables in plain text."""

from __future__ import annotations

import io

from harness.comparison.pipeline import Comparison
from harness.report import screen, verdicts
from harness.report.comparison import tables
from harness.report.escape import terminal
from harness.report.table import Table
from harness.rules import Verdict


def of_rule(comparison: Comparison, index: int) -> str:
    """Returns the failure text of the policy's rule number `index`; empty if it passes.

    An incomparable port fails every rule. A doubt about the data fails a rule that would pass.
    """
    judgement = comparison.judgement
    if comparison.verdict is Verdict.INCOMPARABLE:
        parts = [
            terminal(f"incomparable: {tables.headline(comparison)}"),
            *(terminal(f"- {reason}") for reason in judgement.reasons),
            "Waive them in ports.toml: allow = [...] with reason = '...'.",
            _plain(tables.facts_table(comparison)),
        ]
        return "\n".join(parts)
    verdict, _ = judgement.of_rule(index)
    if verdict is Verdict.PASS:
        return ""
    findings = judgement.findings[index : index + 1]  # empty if no rule ran
    parts = [
        f"{verdict}: {verdicts.row(verdict).headline}",
        *(terminal(f"- {why}") for why in (*judgement.failures, *judgement.doubts)),
        *(terminal(line) for finding in findings for line in tables.finding_lines(finding)),
        terminal(f"rule: {tables.rule_texts(comparison)[index]}"),
        _plain(tables.rules_table(comparison)),
        _plain(tables.errors_table(comparison)),
        *(
            terminal(f"- {line}")
            for line in (*tables.alignment_lines(comparison), *comparison.notes)
        ),
    ]
    return "\n".join(parts)


def _plain(table: Table) -> str:
    out = io.StringIO()
    screen.Screen(out, width=110, no_color=True, force_terminal=False).print(screen.lay_out(table))
    return out.getvalue().rstrip()
