"""GitLab's code-quality report: an issue for each rule of a port that did not pass."""

from __future__ import annotations

import hashlib
import json as standard
from collections.abc import Sequence
from pathlib import PurePath

from harness.comparison.result import PortResult
from harness.comparison.standing import aside, remark
from harness.log.shown import masked
from harness.report import verdicts
from harness.report.escape import json, terminal
from harness.report.ports.junit import Case, cases
from harness.report.ports.oneline import percent
from harness.rules import Verdict

INFO = "info"
"""The severity of a port in quarantine."""
QUARANTINE = "quarantine"
"""The name of the check that says that a quarantine hides nothing."""


def render(results: Sequence[PortResult]) -> str:
    """Returns the report as JSON. Port, rule and verdict determine the fingerprint of an issue."""
    issues = [issue for result in results for issue in _issues(result)]
    return json(issues, indent=1) + "\n"


def _issues(result: PortResult) -> list[dict[str, object]]:
    path = PurePath(masked(result.manifest) or "ports.toml").as_posix()
    difference = (
        f" (difference {percent(result.relative_difference)})"
        if result.relative_difference is not None
        else ""
    )
    terms = remark(result)
    beside = aside(result)
    said = f"{beside}: " if beside else ""
    if terms and result.verdict == Verdict.PASS:
        passing = Case(port=result.port, name=QUARANTINE, verdict=result.verdict, message=terms)
        return [_issue(passing, f"{result.port}: {terms}", INFO, path, result.line)]
    return [
        _issue(
            case,
            f"{result.port}: {said}{case.verdict}{difference}: {case.message}",
            INFO if result.held else verdicts.row(case.verdict).gitlab,
            path,
            result.line,
        )
        for case in cases(result)
        if verdicts.row(case.verdict).gitlab
    ]


def _issue(case: Case, text: str, severity: str, path: str, line: int) -> dict[str, object]:
    return {
        "description": _line(text),
        "check_name": terminal(case.name),
        "fingerprint": _fingerprint(path, case.port, case.name, case.verdict),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }


def _line(text: str) -> str:
    return terminal(" ".join(text.split()))


def _fingerprint(*parts: str) -> str:
    text = standard.dumps(parts)
    return hashlib.sha256(text.encode()).hexdigest()
