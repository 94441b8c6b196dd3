"""GitHub Actions: annotations at a port's entry in the manifest, and the step summary."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.result import PortResult
from harness.comparison.standing import remark
from harness.report import verdicts
from harness.report.escape import github, github_property
from harness.report.ports.oneline import counts, main_reason, percent, worst_first

SHOWN = 10
"""Annotations of a level that GitHub shows for a step; it silently drops the others."""
NOTICE, WARNING = "notice", "warning"
LEVELS = ("error", WARNING, NOTICE)


def commands(results: Sequence[PortResult]) -> tuple[str, ...]:
    """Returns a workflow command for each port that did not pass, the worst first.

    A port in quarantine is a notice, and a warning in the last week. A port that passes in
    quarantine is a notice. If a level has more than ten ports, the tenth command counts the rest.
    """
    lines: list[str] = []
    for level in LEVELS:
        ports = [r for r in worst_first(results) if _level(r) == level]
        kept = ports if len(ports) <= SHOWN else ports[: SHOWN - 1]
        lines += [_annotation(level, result) for result in kept]
        if len(ports) > len(kept):
            rest = counts(ports[len(kept) :])
            lines.append(_command(level, {"title": "more ports"}, f"and {rest}"))
    return tuple(lines)


def _level(result: PortResult) -> str:
    if result.held:
        return WARNING if result.quarantine and result.quarantine.near else NOTICE
    level = verdicts.row(result.verdict).github
    return level or (NOTICE if remark(result) else "")


def _annotation(level: str, result: PortResult) -> str:
    where = {
        "file": result.manifest,
        "line": str(result.line),
        "title": f"{result.port}: {result.verdict}",
    }
    difference = (
        f"difference {percent(result.relative_difference)}; "
        if result.relative_difference is not None
        else ""
    )
    parts = (remark(result), main_reason(result), result.better)
    text = "; ".join(part for part in parts if part)
    return _command(level, where, difference + (text or result.verdict))


def _command(name: str, properties: dict[str, str], text: str) -> str:
    filled = {key: github_property(value) for key, value in properties.items() if value}
    given = ",".join(f"{key}={value}" for key, value in filled.items())
    return f"::{name} {given}::{github(text)}"
