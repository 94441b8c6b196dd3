"""JUnit XML: a test suite per manifest, a test case per port and rule.

`docs/junit.xsd` describes the part of the format that is used. A failing, inconclusive or
incomparable rule is a `failure` whose type is the verdict. A port whose logs cannot be read is an
`error`. A port in quarantine is `skipped`, with its verdict as the type. Of a port with several
attempts, every failing attempt after the first is a `rerunFailure`, as Maven Surefire writes it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.comparison.result import Attempt, PortResult
from harness.comparison.standing import aside
from harness.log.wording import counted
from harness.report import verdicts
from harness.report.escape import lines, xml
from harness.report.ports.oneline import percent
from harness.rules import Verdict

SKIPPED, RERUN = "skipped", "rerunFailure"
WHOLE = "comparison"
"""The name of the test case of a port for which no rule ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test case: the result of a rule of a port. `text` is the body of the failure.

    `terms` are those of the port's quarantine in words, and its attempts if it is flaky; `held` is
    whether the quarantine is active. `reruns` are the failing attempts after the first.
    """

    port: str
    name: str
    verdict: str
    message: str = ""
    text: str = ""
    elapsed_s: float = 0.0
    terms: str = ""
    held: bool = False
    reruns: tuple[Attempt, ...] = ()

    @property
    def kind(self) -> str:
        """The element inside the test case; empty for a pass."""
        kind = verdicts.row(self.verdict).junit
        return SKIPPED if kind and self.held else kind


def cases(result: PortResult) -> tuple[Case, ...]:
    """Returns the test cases of a port: one per rule, or a single one if no rule ran.

    The verdict of each is that of `Judgement.of_rule`, as in pytest.
    """
    text = "\n".join(
        (
            *result.reasons,
            f"difference {percent(result.relative_difference)}, {counted(result.steps, 'step')}",
        )
    )
    terms, failed = aside(result), [a for a in result.attempts if a.verdict == Verdict.FAIL]
    common: dict[str, Any] = {"terms": terms, "held": result.held, "reruns": tuple(failed[1:])}
    if not result.rules:
        message = result.reasons[0] if result.reasons else result.verdict
        whole = Case(
            port=result.port,
            name=WHOLE,
            verdict=result.verdict,
            message=message,
            text=text,
            elapsed_s=result.elapsed_s,
            **common,
        )
        return (whole,)
    share = result.elapsed_s / len(result.rules)
    return tuple(
        Case(
            port=result.port,
            name=rule.rule,
            verdict=rule.verdict,
            message=rule.reason,
            text=text,
            elapsed_s=share,
            **common,
        )
        for rule in result.rules
    )


def render(results: Sequence[PortResult]) -> str:
    """Returns the document, with a suite per manifest in the order of the results."""
    suites: dict[str, list[PortResult]] = {}
    for result in results:
        suites.setdefault(result.manifest, []).append(result)
    root = ET.Element("testsuites", name="harness check")
    for manifest, ports in suites.items():
        root.append(_suite(manifest or "ports", ports))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(manifest: str, ports: Sequence[PortResult]) -> ET.Element:
    tested = [case for port in ports for case in cases(port)]
    kinds = [case.kind for case in tested]
    suite = ET.Element(
        "testsuite",
        name=xml(manifest),
        tests=str(len(tested)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count(SKIPPED)),
        time=f"{sum(port.elapsed_s for port in ports):.3f}",
    )
    started = min((port.started for port in ports if port.started), default="")
    if started:
        suite.set("timestamp", xml(started))
    suite.extend(_element(case) for case in tested)
    return suite


def _element(case: Case) -> ET.Element:
    element = ET.Element(
        "testcase",
        classname=xml(case.port),
        name=xml(case.name),
        time=f"{case.elapsed_s:.3f}",
    )
    if case.kind:
        known = case.message in case.terms  # of a port that failed before at the same commit
        message = "; ".join(p for p in (case.terms, "" if known else case.message) if p)
        body = ET.SubElement(element, case.kind, type=xml(case.verdict), message=xml(message))
        body.text = lines(case.text, xml)
        for attempt in case.reruns if case.verdict == Verdict.FAIL else ():
            again = f"{attempt.name}: {attempt.reason}"
            ET.SubElement(element, RERUN, type=xml(attempt.verdict), message=xml(again))
    elif case.terms:
        ET.SubElement(element, "system-out").text = lines(case.terms, xml)
    return element
