"""What a check makes of its results: which verdicts decide the exit status, and what to add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from harness.comparison.quarantine import sentence
from harness.comparison.result import PortResult
from harness.log.wording import counted
from harness.rules import Verdict


def dated(results: Sequence[PortResult], today: date) -> list[PortResult]:
    """Returns the results with the day of the check in every quarantine."""
    return [
        replace(r, quarantine=replace(r.quarantine, checked=today.isoformat()))
        if r.quarantine is not None
        else r
        for r in results
    ]


def deciding(results: Sequence[PortResult]) -> list[str]:
    """Returns the verdicts that decide the exit status: `pass` for a port in quarantine."""
    return [str(Verdict.PASS) if result.held else result.verdict for result in results]


def remark(result: PortResult) -> str:
    """Returns what the quarantine of a port means for its verdict; empty without a quarantine."""
    return "" if result.quarantine is None else sentence(result.quarantine, result.verdict)


def aside(result: PortResult) -> str:
    """Returns what a writer says of a port beside the reason of each rule: terms and attempts."""
    flaky = result.reasons[0] if result.flaky and result.reasons else ""
    return "; ".join(part for part in (remark(result), flaky) if part)


def besides(results: Sequence[PortResult]) -> str:
    """Returns how many ports are quarantined or flaky, or better; empty if none is."""
    kinds = {
        "quarantined": sum(result.held for result in results),
        "flaky": sum(result.flaky for result in results),
        "better than the baseline": sum(bool(result.better) for result in results),
    }
    expired = sum(
        r.quarantine is not None and bool(r.quarantine.checked) and not r.quarantine.active
        for r in results
    )
    parts = [f"{n} {word}" for word, n in kinds.items() if n]
    if expired:
        parts.append(counted(expired, "expired quarantine"))
    return ", ".join(parts)
