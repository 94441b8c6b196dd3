"""GitLab's code-quality report: an issue for each rule of a port that did not pass."""

from __future__ import annotations

import hashlib
import json as standard
from collections.abc import Sequence
from pathlib import PurePath

from harness.comparison.result import PortResult
from harness.log.shown import masked
from harness.report import verdicts
from harness.report.escape import json, terminal
from harness.report.ports.junit import cases
from harness.report.ports.oneline import percent


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
    return [
        {
            "description": _line(f"{result.port}: {case.verdict}{difference}: {case.message}"),
            "check_name": terminal(case.name),
            "fingerprint": _fingerprint(path, case.port, case.name, case.verdict),
            "severity": verdicts.row(case.verdict).gitlab,
            "location": {"path": path, "lines": {"begin": result.line}},
        }
        for case in cases(result)
        if verdicts.row(case.verdict).gitlab
    ]


def _line(text: str) -> str:
    return terminal(" ".join(text.split()))


def _fingerprint(*parts: str) -> str:
    text = standard.dumps(parts)
    return hashlib.sha256(text.encode()).hexdigest()
