"""The result of a replay: which operators are wrong, and what was not compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.locate.result import Located, Outcome, Row
from harness.log.wording import counted

RANDOM = "they draw random numbers"
"""Why a call of a random operator is left out; no comparison is possible."""
SHOWN = 5
"""Operators that a headline names."""


def conclude(
    rows: Sequence[Row],
    *,
    left_out: Mapping[tuple[str, str], int],
    varying: Mapping[str, int],
    makers: Mapping[str, Row],
    zeros: Sequence[str],
    facts: dict[str, str],
) -> Located:
    """Returns the result of the rows of a replay.

    Args:
        rows: the compared outputs, in the order of execution.
        left_out: calls that were not compared, by operator and reason.
        varying: calls whose repetitions gave other bits, by operator.
        makers: by phase, the first operator that made a value that is not finite of finite ones.
        zeros: parameters that were all zero.
        facts: those of the device.

    The culprits are the worst row of each operator, the most wrong first. Each operator had the
    inputs of the device, so a wrong one is wrong by itself. A pass needs a comparison of every
    operator that draws no random numbers.
    """
    culprits = _worst_by_operator([row for row in rows if row.state == "wrong"])
    judged = sum(row.state in {"healthy", "wrong"} for row in rows)
    never = _never_compared(rows, left_out)
    whole = judged and not never
    outcome: Outcome = "fail" if culprits else "pass" if whole else "inconclusive"
    return Located(
        mode="replay",
        outcome=outcome,
        headline=_headline(culprits, judged, never),
        rows=tuple(rows),
        culprits=tuple(culprits),
        unmatched=tuple(_left_out(left_out)),
        notes=tuple(_notes(rows, varying, makers, zeros)),
        sides=(facts,),
    )


def _worst_by_operator(wrong: Sequence[Row]) -> list[Row]:
    worst: dict[str, Row] = {}
    for row in wrong:
        kept = worst.get(row.operator)
        if kept is None or row.ratio > kept.ratio:
            worst[row.operator] = row
    return sorted(worst.values(), key=lambda row: (-row.ratio, row.step, row.order))


def _never_compared(rows: Sequence[Row], left_out: Mapping[tuple[str, str], int]) -> list[str]:
    """Returns the operators of which no call was compared, but for random ones."""
    seen = {row.operator for row in rows if row.state != "unjudged"}
    every = (name for name, reason in left_out if reason != RANDOM)
    return [name for name in dict.fromkeys(every) if name not in seen]


def _headline(culprits: Sequence[Row], judged: int, never: Sequence[str]) -> str:
    if not judged:
        return "no operator was compared"
    if not culprits and never:
        shown = ", ".join(never[:SHOWN]) + (" and more" if len(never) > SHOWN else "")
        return (
            f"the {judged:,} results that were compared agree with the CPU's, but no call of "
            f"{counted(len(never), 'operator')} was compared: {shown}"
        )
    if not culprits:
        return f"all {judged:,} results that were compared agree with the CPU's"
    first = culprits[0]
    where = f" in {first.module}" if first.module else ""
    more = f", and {len(culprits) - 1} more operators" if len(culprits) > 1 else ""
    return f"{first.operator}{where} ({first.phase}) is wrong{more}"


def _left_out(left_out: Mapping[tuple[str, str], int]) -> list[str]:
    """Returns a sentence for each reason, with the operators and how many calls."""
    by_reason: dict[str, Counter[str]] = {}
    for (operator, reason), count in left_out.items():
        by_reason.setdefault(reason, Counter())[operator] += count
    return [
        f"{reason}: " + ", ".join(f"{name} ({calls(count)})" for name, count in names.most_common())
        for reason, names in by_reason.items()
    ]


def calls(count: int) -> str:
    """Returns `1 call` or `5 calls`."""
    return f"{count:,} call{'' if count == 1 else 's'}"


def _notes(
    rows: Sequence[Row],
    varying: Mapping[str, int],
    makers: Mapping[str, Row],
    zeros: Sequence[str],
) -> list[str]:
    found = []
    for phase, row in makers.items():
        where = f" in {row.module}" if row.module else ""
        own = "; a CPU kernel makes them too" if row.state == "healthy" else ""
        found.append(
            f"{row.operator}{where} made the first values of the {phase} pass that are not finite"
            f"{own}"
        )
    if varying:
        names = ", ".join(f"{name} ({calls(count)})" for name, count in varying.items())
        found.append(
            f"these operators gave different results for the same inputs: {names}; their limits "
            "allow for it"
        )
    hidden = sum(row.state == "hidden" and row.phase != "optimizer" for row in rows)
    if zeros:
        found.append(zero_note(zeros))
    if hidden:
        found.append(
            f"{hidden:,} results are zero because an input is; a fault in their operators cannot "
            "show"
        )
    return found


def zero_note(zeros: Sequence[str]) -> str:
    """Returns the sentence on parameters that hide faults."""
    shown = ", ".join(zeros[:5]) + (f" and {len(zeros) - 5} more" if len(zeros) > 5 else "")
    return (
        f"these parameters are all zero and hide faults of what they multiply: {shown}; use a "
        "trained checkpoint, or unhide=True (--unhide)"
    )
