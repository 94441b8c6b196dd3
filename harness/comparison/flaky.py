"""Attempts of a port: a port that failed in one attempt and passed in another is flaky.

A faulty port that passes an attempt with probability p passes one of k attempts with probability
1 - (1 - p)^k. Whoever repeats a training until it passes therefore passes nearly every port in the
end. So the worst attempt decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.comparison.result import ERROR, Attempt, PortResult, RuleResult
from harness.comparison.trend import Entry
from harness.log.wording import counted
from harness.rules import Verdict

WORST_FIRST = (ERROR, Verdict.FAIL, Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE, Verdict.PASS)
"""The order of severity; a test compares it with that of the reports."""
DIRTY = "-dirty"
"""The end of the name of a commit with uncommitted changes, under which two checks may differ."""
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Flakiness:
    """How often a port was flaky: at `flaky` of the `commits` that were checked.

    `last` is the newest such commit; empty if its name is unknown.
    """

    commits: int
    flaky: int
    last: str = ""

    @property
    def rate(self) -> float:
        """The share of the checked commits at which the port was flaky."""
        return self.flaky / self.commits if self.commits else 0.0


def joined(names: Sequence[str], results: Sequence[PortResult]) -> PortResult:
    """Returns the result of a port from those of its attempts: the worst, with all attempts.

    The smallest p-value of k attempts is multiplied by k (Bonferroni): if every attempt must pass,
    a good port has as many chances to fail.
    """
    if len(results) == 1:
        return results[0]
    worst = min(results, key=lambda result: WORST_FIRST.index(result.verdict))
    attempts = tuple(map(_attempt, names, results))
    p_values = [r.p_value for r in results if r.p_value is not None]
    levels = [r.level for r in results if r.level is not None]
    known = len(p_values) == len(levels) == len(results)
    whole = replace(
        worst,
        attempts=attempts,
        elapsed_s=round(sum(result.elapsed_s for result in results), 3),
        p_value=min(1.0, len(results) * min(p_values)) if known else None,
        level=min(1.0, sum(levels)) if known else None,
    )
    return replace(whole, reasons=(_summary(attempts), *worst.reasons))


def _attempt(name: str, result: PortResult) -> Attempt:
    return Attempt(
        name=name,
        verdict=result.verdict,
        reason=" ".join(result.reasons[0].split()) if result.reasons else "",
        relative_difference=result.relative_difference,
    )


def _summary(attempts: Sequence[Attempt]) -> str:
    """Returns the verdicts of the attempts in a sentence; the word flaky comes first."""
    words = [word for word in WORST_FIRST if any(a.verdict == word for a in attempts)]
    parts = "; ".join(f"{_of(attempts, word)}" for word in words)
    flaky = {Verdict.FAIL, Verdict.PASS} <= set(words)
    closing = ". A repetition does not undo a failure" if flaky else ""
    return f"{'flaky: ' if flaky else ''}{counted(len(attempts), 'attempt')}: {parts}{closing}"


def _of(attempts: Sequence[Attempt], word: str) -> str:
    names = [attempt.name for attempt in attempts if attempt.verdict == word]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {word} ({', '.join(names[:SHOWN])}{more})"


def repeats(result: PortResult, commit: str, entry: Entry) -> bool:
    """Returns whether an earlier check judged the same port in the same way at the same commit."""
    other = entry.result
    same = (other.port, other.metric, other.tool_version, _rules(other))
    return (
        entry.commit == commit
        and is_clean(commit)
        and same == (result.port, result.metric, result.tool_version, _rules(result))
    )


def is_clean(commit: str) -> bool:
    """Returns whether a commit is known and has no uncommitted changes on top of it."""
    return bool(commit) and not commit.endswith(DIRTY)


def _rules(result: PortResult) -> tuple[str, ...]:
    return tuple(rule.rule for rule in result.rules)


def with_earlier(
    results: Sequence[PortResult], earlier: Mapping[str, Sequence[Entry]], commit: str
) -> list[PortResult]:
    """Returns the results; a port that passes now but failed before at this commit fails.

    `earlier` are earlier checks by port, the oldest first. A port that fails now and passed before
    keeps its verdict, and is flaky too.
    """
    return [
        _with(result, [e for e in earlier.get(result.port, ()) if repeats(result, commit, e)])
        for result in results
    ]


def _with(result: PortResult, before: Sequence[Entry]) -> PortResult:
    words = {result.verdict, *(entry.result.verdict for entry in before)}
    if not before or not {Verdict.FAIL, Verdict.PASS} <= words:
        return result
    attempts = (
        *(_attempt(f"check of {entry.when[:16]} UTC", entry.result) for entry in before),
        *(result.attempts or (_attempt("this check", result),)),
    )
    summary = f"{_summary(attempts)} at this commit"
    if result.verdict != Verdict.PASS:
        return replace(result, attempts=attempts, reasons=(summary, *result.reasons))
    failed = next(e.result for e in reversed(before) if e.result.verdict == Verdict.FAIL)
    return replace(
        result,
        verdict=str(Verdict.FAIL),
        qualifier="",
        attempts=attempts,
        reasons=(summary, *failed.reasons),
        rules=tuple(_failed_rules(result, failed, summary)),
    )


def _failed_rules(now: PortResult, before: PortResult, summary: str) -> Iterator[RuleResult]:
    """Yields the rules of a passing port; those that failed before fail, or all if none did."""
    failing = {rule.rule for rule in before.rules if rule.verdict == Verdict.FAIL}
    for rule in now.rules:
        if failing and rule.rule not in failing:
            yield rule
        else:
            yield replace(rule, verdict=str(Verdict.FAIL), reason=summary)


def flakiness(entries: Sequence[Entry]) -> Flakiness:
    """Returns how often a port was flaky in its history, the oldest check first.

    A commit counts once, however often it was checked. Checks of an unknown commit, or of one with
    uncommitted changes, count separately, because two of them may have judged different ports.
    """
    groups: dict[str, list[PortResult]] = {}
    for number, entry in enumerate(entries):
        key = entry.commit if is_clean(entry.commit) else f"{number} {entry.commit}"
        groups.setdefault(key, []).append(entry.result)
    flaky = [key for key, results in groups.items() if _is_flaky(results)]
    named = [key for key in flaky if " " not in key]
    return Flakiness(commits=len(groups), flaky=len(flaky), last=named[-1] if named else "")


def _is_flaky(results: Sequence[PortResult]) -> bool:
    words = {result.verdict for result in results}
    return any(r.flaky for r in results) or {Verdict.FAIL, Verdict.PASS} <= words
