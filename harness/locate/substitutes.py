"""Operators that one side ran in the place of others: not compared, but maybe the cause.

A tensor differs first, and on the candidate an operator went into it that the baseline does not
have: another interpolation, another number format, a softmax written by hand. Nothing says whether
the operator's own result is right. If one operator replaced one operator, the candidate was asked
for something else, and the replacement is named first. So it is if what a module or an operator was
given differs from what the baseline gave it, or if it made the first value that is not finite,
since the cause lies before. If a device splits an operator into several or joins them, their
results meet again at a later operator, which stays the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.locate import names, nonfinite
from harness.locate.capture import Capture, Record
from harness.locate.distance import apart
from harness.locate.match import Matched
from harness.locate.result import Row
from harness.locate.rows import listed, lone_row

ROUNDED = 1e-3
"""Least relative distance from which on two tensors are not one: float32 rounds less."""


def with_substitutes(
    culprits: Sequence[Row], rows: Sequence[Row], ours: Capture, theirs: Capture, matched: Matched
) -> tuple[Row, ...]:
    """Returns the culprits with the operator that went into the first one without a partner."""
    if not culprits or culprits[0].kind in {"weight", "buffer", "input"}:
        return tuple(culprits)
    place = next(n for n, row in enumerate(rows) if row is culprits[0])
    alone = set(matched.theirs_only)
    made = nonfinite.producers(ours, theirs, matched).get(("candidate", culprits[0].phase))
    if math.isinf(culprits[0].error) and made in alone:
        return (_row(theirs.records[made], culprits[0], ()), *culprits)
    chain = _alone_before(theirs, int(matched.pairs[place, 1]), alone)
    if not chain:
        return tuple(culprits)
    first = theirs.records[chain[0]]
    replaced = [ours.records[n] for n in matched.ours_only if _same_place(ours.records[n], first)]
    others = [theirs.records[n] for n in alone if _same_place(theirs.records[n], first)]
    row = _row(first, culprits[0], replaced)
    rounded = max(ROUNDED, culprits[0].limit)
    before = culprits[0].is_input or _was_given_another(
        ours, theirs, matched.pairs[place], alone, rounded=rounded
    )
    if before or _one_for_one(replaced, others):
        return (row, *culprits)
    return (culprits[0], row, *culprits[1:])


def _was_given_another(
    ours: Capture, theirs: Capture, pair: NDArray[np.int64], alone: set[int], *, rounded: float
) -> bool:
    """Returns whether an operator without a partner gave the pair another tensor than the baseline.

    It did if no tensor of its shape on the baseline is closer than `rounded`, a part of the norm:
    it scaled, masked or damaged. A copy or another layout changes no value.
    """
    i, j = (int(n) for n in pair)
    for given in theirs.records[j].made_from:
        shape = theirs.records[given].shape
        alike = [n for n in ours.records[i].made_from if ours.records[n].shape == shape]
        if given in alone and alike:
            other = np.array([(n, given) for n in alike])
            size = max(float(ours.norms[alike].max()), float(theirs.norms[given]))
            if float(apart(ours, theirs, other).min()) > rounded * size:
                return True
    return False


def _alone_before(capture: Capture, start: int, alone: set[int]) -> list[int]:
    """Returns the operators without a partner that lead to a record, in the order of execution."""
    found: set[int] = set()
    ahead = [start]
    while ahead:
        for n in capture.records[ahead.pop()].made_from:
            if n in alone and n not in found and capture.records[n].kind == "operator":
                found.add(n)
                ahead.append(n)
    return sorted(found)


def _same_place(record: Record, other: Record) -> bool:
    return record.kind == "operator" and (
        (record.step, record.phase, names.path(record.module))
        == (other.step, other.phase, names.path(other.module))
    )


def _one_for_one(replaced: Sequence[Record], others: Sequence[Record]) -> bool:
    """Returns whether the baseline ran as many operators of the same shapes in this place.

    Copies into another format are left out: they belong to the operator behind them.
    """

    def shapes(records: Sequence[Record]) -> list[tuple[int, ...]]:
        kept = (r for r in records if names.canonical(r.name) not in {"to", "copy"})
        return sorted(r.shape for r in kept)

    return bool(replaced) and shapes(replaced) == shapes(others)


def _row(record: Record, culprit: Row, replaced: Sequence[Record]) -> Row:
    """Returns the row of an operator without a partner, with the error of what it went into."""
    ran = listed([f"{r.name} ({r.dtype})" for r in replaced])
    note = f"stored in {record.dtype}; " + (
        f"the baseline ran {ran} here" if ran else "the baseline has no such operator here"
    )
    return replace(
        lone_row(record, note=note),
        step=culprit.step,
        error=culprit.error,
        limit=culprit.limit,
        state=culprit.state,
        evidence="figures" if math.isinf(culprit.error) else "operators",
    )
