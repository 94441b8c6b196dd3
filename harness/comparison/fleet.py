"""Controls false alarms among many ports: Benjamini and Hochberg's method on the ports' p-values.

A test at 1 % fails ten of 1,000 good ports. Of the ports that still fail here, the expected share
of good ones is at most the share that was asked for. The method is valid for tests that are
independent or positively dependent, as ports that share a baseline are (Benjamini & Yekutieli
2001). It needs every port of a check, so it runs after all of them, also if several machines judged
them. A failure that is not a matter of chance (NaN, another schedule, a fixed limit) is not
touched, and neither is a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.comparison.result import PortResult, RuleResult
from harness.errors import PolicyError
from harness.log.wording import counted
from harness.rules import Verdict

NAMED_FROM = 1.0
"""Expected number of false alarms from which on a check mentions them."""


def controlled(results: Sequence[PortResult], share: float) -> list[PortResult]:
    """Returns the results; failures by tests that do not survive are inconclusive.

    Raises:
        PolicyError: `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        msg = f"the share of false discoveries is {share!r}; expected a number between 0 and 1"
        raise PolicyError(msg)
    tested = [i for i, result in enumerate(results) if result.p_value is not None]
    if not tested:
        return list(results)
    adjusted = dict(zip(tested, _adjusted([_p(results[i]) for i in tested]), strict=True))
    lost = {i for i, p in adjusted.items() if _fails(results[i]) and not p <= share}
    return [
        _opened(result, adjusted[i], len(tested), share) if i in lost else result
        for i, result in enumerate(results)
    ]


def expected_alarms(results: Sequence[PortResult]) -> float:
    """Returns how many ports the tests would fail at most, on average, if every port were good."""
    return sum(result.level or 0.0 for result in results if result.p_value is not None)


def warning(results: Sequence[PortResult]) -> str:
    """Returns in words how many failures chance alone explains; empty below one."""
    expected = expected_alarms(results)
    failed = sum(result.p_value is not None and _fails(result) for result in results)
    if expected < NAMED_FROM or not failed:
        return ""
    tested = sum(result.p_value is not None for result in results)
    return (
        f"tests fail {failed} of {counted(tested, 'port')}; if all of them were good, chance alone "
        f"would fail up to {expected:.2g}: --false-discoveries 0.05 keeps the failures of which at "
        "most 5 % are expected to be chance"
    )


def _fails(result: PortResult) -> bool:
    return result.verdict == Verdict.FAIL


def _p(result: PortResult) -> float:
    """Returns the p-value of a failed port, and 1 for a port that its rules did not fail."""
    return result.p_value if _fails(result) and result.p_value is not None else 1.0


def _adjusted(p_values: Sequence[float]) -> list[float]:
    """Returns the smallest share of false discoveries at which each p-value survives."""
    from scipy.stats import false_discovery_control  # noqa: PLC0415  (takes a second)

    adjusted: list[float] = false_discovery_control(p_values, method="bh").tolist()
    return adjusted


def _opened(result: PortResult, adjusted: float, tested: int, share: float) -> PortResult:
    reason = (
        f"alone this port fails (p = {result.p_value:.2g}), but not among "
        f"{counted(tested, 'tested port')} at {100 * share:g} % false discoveries (Benjamini-"
        f"Hochberg, adjusted p = {adjusted:.2g}): run the candidate again with another seed"
    )
    return replace(
        result,
        verdict=str(Verdict.INCONCLUSIVE),
        reasons=(reason, *result.reasons),
        rules=tuple(
            RuleResult(
                rule=r.rule, verdict=str(Verdict.INCONCLUSIVE), reason=f"{reason}; {r.reason}"
            )
            if r.verdict == Verdict.FAIL
            else r
            for r in result.rules
        ),
    )
