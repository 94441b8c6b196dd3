"""Several tests at once: Holm's step-down method on the rules that are tests.

That every rule must pass needs no correction: a port passes wrongly only if every rule is wrong at
once (an intersection-union test, Berger 1982). That any rule may fail a port does: k tests at 5 %
fail a good port up to k times as often. Holm (1979) keeps the rate at 5 % whatever the dependence
between the tests, and beats Bonferroni everywhere. Tests of other levels are put in order by p in
parts of their level (weighted Holm). A failure that does not survive it is open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.rules import Finding, Verdict


def holm(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, failures of tests that do not survive Holm's method turned inconclusive."""
    tests = [f for f in findings if f.p_value is not None and f.level is not None]
    surviving: set[int] = set()
    for done, finding in enumerate(sorted(tests, key=_part)):
        if _part(finding) > 1 / (len(tests) - done):
            break
        surviving.add(id(finding))
    lost = {id(f) for f in tests if f.verdict is Verdict.FAIL} - surviving
    return tuple(_open(f, len(tests)) if id(f) in lost else f for f in findings)


def _p(finding: Finding) -> float:
    return 1.0 if finding.p_value is None else finding.p_value


def _part(finding: Finding) -> float:
    """The p-value in parts of the level; infinite at a level of 0."""
    return _p(finding) / finding.level if finding.level else math.inf


def _open(finding: Finding, tests: int) -> Finding:
    return replace(
        finding,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{finding.reason}; alone it fails (p = {_p(finding):.3g}), but not as one of "
        f"{tests} tests by Holm's method: log more seeds",
    )
