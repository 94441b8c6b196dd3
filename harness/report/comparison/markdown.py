"""The report as Markdown, for a merge request or a wiki."""

from __future__ import annotations

from collections.abc import Iterable

from harness.comparison.pipeline import Comparison
from harness.report.comparison import tables
from harness.report.escape import markdown, markdown_cell, markdown_line
from harness.report.table import Table


def render(comparison: Comparison, *, picture: str | None = None, no_picture: str = "") -> str:
    """Returns the report as Markdown; `picture` is the path of the plot, relative to the file.

    If `no_picture` says why there is no plot, that sentence takes its place.
    """
    verdict = str(comparison.verdict)
    lines = [
        f"# Port verdict: {verdict}",
        "",
        f"**{verdict}**: {markdown(tables.headline(comparison))}.",
        "",
    ]
    lines += _bullets(tables.reasons(comparison))
    if no_picture:
        lines += [f"{markdown(no_picture[0].upper() + no_picture[1:])}.", ""]
    elif picture:
        lines += [f"![loss curves, their relative error and the judged window]({picture})", ""]
    if comparison.judgement.findings:
        lines += _table(tables.rules_table(comparison))
        for finding in comparison.judgement.findings:
            lines += _bullets(tables.finding_lines(finding, comparison))
    facts = tables.facts_table(comparison)
    lines += _table(facts) if facts.rows else []
    lines += [*_table(tables.errors_table(comparison)), f"{markdown(tables.ERRORS_NOTE)}.", ""]
    lines += ["## Steps", "", *_bullets(tables.alignment_lines(comparison))]
    lines += ["## Policy", "", *_bullets(tables.policy_lines(comparison))]
    notes = tables.remarks(comparison)
    if notes:
        lines += ["## Notes", "", *_bullets(notes)]
    lines += _table(tables.inputs_table(comparison))
    return "\n".join(lines).rstrip() + "\n"


def _bullets(lines: Iterable[str]) -> list[str]:
    items = [f"- {markdown_line(line)}" for line in lines]
    return [*items, ""] if items else []


def _table(content: Table) -> list[str]:
    rows = [f"| {' | '.join(markdown_cell(cell) for cell in row)} |" for row in content.rows]
    head = f"| {' | '.join(markdown_cell(cell) for cell in content.head)} |"
    return [f"## {markdown(content.title)}", "", head, "|---" * len(content.head) + "|", *rows, ""]
