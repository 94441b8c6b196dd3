"""Results in one line, for `--quiet` and for scripts."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.result import PortResult
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
    return terminal(f"{name}{result.verdict}{difference}{but}{f', {reason}' if reason else ''}")


def counts(results: Sequence[PortResult]) -> str:
    """Returns a line that counts the verdicts, in the order in which they first occur."""
    tally: dict[str, int] = {}
    for result in results:
        tally[result.verdict] = tally.get(result.verdict, 0) + 1
    return f"{counted(len(results), 'port')}: " + ", ".join(
        f"{n} {word}" for word, n in tally.items()
    )


def summary_line(results: Sequence[PortResult]) -> str:
    """Returns a line for a whole check: the counts, and the worst port with its reason."""
    if not results:
        return counts(results)
    word = verdicts.worst(result.verdict for result in results)
    worst = (result for result in results if result.verdict == word)
    first = max(worst, key=lambda result: bool(result.qualifier))  # the first qualified result
    return f"{counts(results)}; {one_line(first)}"


def worst_first(results: Sequence[PortResult]) -> list[PortResult]:
    """Returns the results, the worst verdict first; equal verdicts keep their order."""
    return sorted(results, key=lambda result: verdicts.rank(result.verdict))
