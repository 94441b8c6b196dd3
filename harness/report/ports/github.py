"""GitHub Actions: annotations at a port's entry in the manifest, and the step summary."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.result import PortResult
from harness.report import verdicts
from harness.report.escape import github, github_property
from harness.report.ports.oneline import counts, main_reason, percent, worst_first

SHOWN = 10
"""Annotations of a level that GitHub shows for a step; it silently drops the others."""


def commands(results: Sequence[PortResult]) -> tuple[str, ...]:
    """Returns a workflow command for each port that did not pass, the worst first.

    If a level has more than ten ports, the tenth command counts the rest.
    """
    lines: list[str] = []
    for level in dict.fromkeys(r.github for r in verdicts.TABLE if r.github):
        ports = [r for r in worst_first(results) if verdicts.row(r.verdict).github == level]
        kept = ports if len(ports) <= SHOWN else ports[: SHOWN - 1]
        lines += [_annotation(level, result) for result in kept]
        if len(ports) > len(kept):
            rest = counts(ports[len(kept) :])
            lines.append(_command(level, {"title": "more ports"}, f"and {rest}"))
    return tuple(lines)


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
    return _command(level, where, difference + (main_reason(result) or result.verdict))


def _command(name: str, properties: dict[str, str], text: str) -> str:
    filled = {key: github_property(value) for key, value in properties.items() if value}
    given = ",".join(f"{key}={value}" for key, value in filled.items())
    return f"::{name} {given}::{github(text)}"
