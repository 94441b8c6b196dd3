"""Corrects for several tests: Holm's step-down method on the rules that are tests.

A pass needs no correction: every rule must pass, so a port passes wrongly only if every rule is
wrong at once (an intersection-union test, Berger 1982). A failure does: any rule may fail a port,
so k tests at 5 % fail a good port up to k times as often. Holm's method (1979) keeps the rate at
5 % for any dependence between the tests, and rejects at least as often as Bonferroni's. Tests with
different levels are sorted by p-value over level (weighted Holm). A failure that does not survive
becomes inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.rules import Finding, Verdict


def holm(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Returns the findings; failed tests that do not survive Holm's method are inconclusive."""
    tests = [f for f in findings if f.p_value is not None and f.level is not None]
    surviving: set[int] = set()
    for done, finding in enumerate(sorted(tests, key=_part)):
        if _part(finding) > 1 / (len(tests) - done):
            break
        surviving.add(id(finding))  # a finding has no hash, because it contains mappings
    lost = {id(f) for f in tests if f.verdict is Verdict.FAIL} - surviving
    return tuple(_open(f, len(tests)) if id(f) in lost else f for f in findings)


def _p(finding: Finding) -> float:
    return 1.0 if finding.p_value is None else finding.p_value


def _part(finding: Finding) -> float:
    """Returns the p-value as a fraction of the level; infinite at a level of 0."""
    return _p(finding) / finding.level if finding.level else math.inf


def _open(finding: Finding, tests: int) -> Finding:
    return replace(
        finding,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{finding.reason}; alone this test fails (p = {_p(finding):.3g}), but not among "
        f"{tests} tests by Holm's method: log more seeds",
    )
