"""Results in one line, for `--quiet` and for scripts."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.result import PortResult
from harness.comparison.standing import besides, deciding, remark
from harness.log.wording import counted
from harness.report import verdicts
from harness.report.escape import terminal


def percent(value: float | None) -> str:
    """Returns a signed difference in percent, or a dash for None."""
    return "-" if value is None else f"{value:+.2%}"


def main_reason(result: PortResult) -> str:
    """Returns the most important reason in one line; each writer escapes it for its format."""
    return " ".join(result.reasons[0].split()) if result.reasons else ""


def one_line(result: PortResult) -> str:
    """Returns the port's name if any, its verdict, the difference and the main reason."""
    name = f"{result.port}: " if result.port else ""
    difference = (
        f" {percent(result.relative_difference)}" if result.relative_difference is not None else ""
    )
    reason = main_reason(result)
    more = [part for part in result.qualifier.split("; ") if part and part not in reason]
    but = f" ({'; '.join(more)})".replace(f" by{difference}", "") if more else ""
    parts = (remark(result), reason, result.better)
    tail = "; ".join(part for part in parts if part)
    return terminal(f"{name}{result.verdict}{difference}{but}{f', {tail}' if tail else ''}")


def counts(results: Sequence[PortResult]) -> str:
    """Returns a line that counts the verdicts, in the order in which they first occur.

    Ports that are quarantined or flaky, or better than the baseline, are counted after them.
    """
    tally: dict[str, int] = {}
    for result in results:
        tally[result.verdict] = tally.get(result.verdict, 0) + 1
    more = besides(results)
    words = ", ".join(f"{n} {word}" for word, n in tally.items())
    return f"{counted(len(results), 'port')}: {words}{f' ({more})' if more else ''}"


def summary_line(results: Sequence[PortResult]) -> str:
    """Returns a line for a whole check: the counts, and the worst port with its reason."""
    if not results:
        return counts(results)
    words = deciding(results)
    word = verdicts.worst(words)
    worst = (result for result, of in zip(results, words, strict=True) if of == word)
    first = max(worst, key=lambda result: bool(result.qualifier))  # the first qualified result
    return f"{counts(results)}; {one_line(first)}"


def worst_first(results: Sequence[PortResult]) -> list[PortResult]:
    """Returns the results, the worst verdict first; equal verdicts keep their order.

    Ports in quarantine follow those that decide the exit status.
    """
    return sorted(results, key=lambda result: (result.held, verdicts.rank(result.verdict)))
