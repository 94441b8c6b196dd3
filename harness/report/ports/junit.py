"""JUnit XML: a test suite per manifest, a test case per port and rule.

`docs/junit.xsd` describes the part of the format that is used. A failing, inconclusive or
incomparable rule is a `failure` whose type is the verdict. A port whose logs cannot be read is an
`error`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from harness.comparison.result import PortResult
from harness.log.wording import counted
from harness.report import verdicts
from harness.report.escape import lines, xml
from harness.report.ports.oneline import percent

WHOLE = "comparison"
"""The name of the test case of a port for which no rule ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test case: the result of a rule of a port. `text` is the body of the failure."""

    port: str
    name: str
    verdict: str
    message: str = ""
    text: str = ""
    elapsed_s: float = 0.0


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
    if not result.rules:
        message = result.reasons[0] if result.reasons else result.verdict
        whole = Case(
            port=result.port,
            name=WHOLE,
            verdict=result.verdict,
            message=message,
            text=text,
            elapsed_s=result.elapsed_s,
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
    kinds = [verdicts.row(case.verdict).junit for case in tested]
    suite = ET.Element(
        "testsuite",
        name=xml(manifest),
        tests=str(len(tested)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped="0",
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
    if kind := verdicts.row(case.verdict).junit:
        body = ET.SubElement(element, kind, type=xml(case.verdict), message=xml(case.message))
        body.text = lines(case.text, xml)
    return element
