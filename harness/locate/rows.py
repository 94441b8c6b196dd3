"""The rows of a comparison: for every pair of records its error, its limit, and what it means."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.locate import names
from harness.locate.capture import START, Capture, Record
from harness.locate.distance import Distances, Spread
from harness.locate.result import Row, State

BAD = ("wrong", "inherited")
NEAR = 0.5
"""Part of its limit from which on the difference of an input is mentioned."""
PASSED_ON = 10.0
"""Times by which an operator may enlarge a difference, in limits. Behind a wrong operator, a tensor
that exceeds its inputs by less passes the difference on, even if they are within their limits."""
NAMED = 3
"""Operators of a side that a remark names."""
NO_TWIN = "no twin shows how far rounding goes here"
TIES = "differs in few elements only, as a rounding of its inputs can cause"
NOT_STEADY = "repetitions of one side are not finite in the same places"


def rows_of(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], figures: Distances, *, twins: int
) -> tuple[Row, ...]:
    """Returns a row for each pair (P, 2), in its order."""
    states = states_of(ours, theirs, pairs, figures, twins=twins)
    return tuple(
        _row(ours.records[int(i)], theirs.records[int(j)], figures, states, p)
        for p, (i, j) in enumerate(pairs)
    )


def states_of(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], figures: Distances, *, twins: int
) -> list[State]:
    """Returns what is known of each pair."""
    states: list[State] = []
    zero = _all_zero(ours, theirs, pairs)
    bad_steps: set[int] = set()
    for p, i in enumerate(pairs[:, 0].tolist()):
        record = ours.records[i]
        state = _within(figures, p, twins=twins)
        if zero[p] and _of_zeros(record, figures.inputs[p], zero):
            state = "hidden"
        elif state == "wrong" and (
            _inherits(record, bad_steps, known=bool(figures.inputs[p]))
            or _passes_on(figures, p, behind_fault=bool(bad_steps))
        ):
            state = "inherited"
        states.append(state)
        if state in BAD:
            bad_steps.add(record.step)
    return _with_origin(states, figures)


def _with_origin(states: list[State], figures: Distances) -> list[State]:
    """Returns the states; if none is wrong but some inherit, the first beyond its limit is wrong.

    Only without a twin can that be: a difference that was too small to judge grew until it was not.
    """
    if "inherited" in states and "wrong" not in states:
        first = next(p for p in range(len(states)) if _beyond(figures, p))
        states[first] = "wrong"
    return states


def _passes_on(figures: Distances, p: int, *, behind_fault: bool) -> bool:
    """Returns whether a tensor that is beyond its limit has the difference from its inputs.

    Without a twin, an input may be beyond its limit and not judged.
    """
    worst = worst_input(figures, p)
    return worst > 1 or (behind_fault and _in_limits(figures, p) <= PASSED_ON * worst)


def worst_input(figures: Distances, p: int) -> float:
    """Returns the largest distance of the inputs of a pair, in units of their limits."""
    return max((_in_limits(figures, q) for q in figures.inputs[p]), default=0.0)


def _in_limits(figures: Distances, p: int) -> float:
    """Returns the distance of a pair in units of its limit; 0 if it has no finite limit."""
    apart, limit = float(figures.apart[p]), float(figures.limit[p])
    if limit > 0:
        return apart / limit if math.isfinite(limit) else 0.0
    return math.inf if apart > 0 else 0.0


def _beyond(figures: Distances, p: int) -> bool:
    """Returns whether a pair is beyond its limit, judged or not."""
    return bool(figures.apart[p] > figures.limit[p])


def _within(figures: Distances, p: int, *, twins: int) -> State:
    apart, limit = figures.apart[p], figures.limit[p]
    if math.isinf(limit):
        return "unjudged"
    if apart <= limit:
        return "healthy"
    return "wrong" if twins or apart > figures.gross[p] else "unjudged"


def _all_zero(ours: Capture, theirs: Capture, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Returns which pairs (P,) are zero in every element on both sides."""
    i, j = pairs.T
    finite = ~(ours.nonfinite[i].any(axis=1) | theirs.nonfinite[j].any(axis=1))
    zero: NDArray[np.bool_] = finite & (ours.norms[i] == 0) & (theirs.norms[j] == 0)
    return zero


def _of_zeros(record: Record, inputs: Sequence[int], zero: NDArray[np.bool_]) -> bool:
    """Returns whether zeros went in, so that zeros came out whatever the operator does."""
    if record.kind in {*START, "buffer_update"}:
        return False
    return any(zero[q] for q in inputs)


def _inherits(record: Record, bad_steps: set[int], *, known: bool) -> bool:
    """Returns whether a record comes behind a difference: in a later step, or perhaps in the same.

    `known` says that its inputs are recorded; otherwise anything before it may be one.
    """
    if record.kind in START and record.step == 0:
        return False
    before = any(step < record.step for step in bad_steps)
    return before or (not known and record.step in bad_steps)


def lone_row(record: Record, *, note: str) -> Row:
    """Returns the row of an operator that one side alone ran: it has no error."""
    return Row(
        kind="operator", operator=record.name, module=names.path(record.module),
        phase=record.phase, step=record.step, call=record.call, order=record.order,
        output=record.output, dtype=record.dtype, shape=record.shape, source=record.source,
        state="unjudged", note=note, evidence="operators",
    )  # fmt: skip


def listed(every: Sequence[str], *, most: int = NAMED) -> str:
    """Returns the different names of operators, with "and others" behind the first ones.

    >>> listed(["relu", "mul", "relu"]), listed(["a", "b", "c", "d"])
    ('relu, mul', 'a, b, c and others')
    """
    different = [*dict.fromkeys(every)]
    return ", ".join(different[:most]) + (" and others" if len(different) > most else "")


def _row(mine: Record, other: Record, figures: Distances, states: Sequence[State], p: int) -> Row:
    """Returns the row of a pair, with the name that the candidate's device gives the operator."""
    size = float(figures.size[p]) or 1.0
    known = math.isfinite(figures.limit[p])
    return Row(
        kind=mine.kind,
        operator=other.name or mine.name or mine.kind,
        module=names.path(other.module),
        phase=mine.phase,
        step=mine.step,
        call=mine.call,
        order=other.order,
        output=other.output,
        dtype=mine.dtype if mine.dtype == other.dtype else f"{mine.dtype}, {other.dtype}",
        shape=other.shape,
        source=other.source or mine.source,
        error=float(figures.apart[p]) / size if known else 0.0,
        limit=float(figures.limit[p]) / size if known else 0.0,
        state=states[p],
        note=_note(mine, other, figures, states, p),
    )


def _note(mine: Record, other: Record, figures: Distances, states: Sequence[State], p: int) -> str:
    parts = []
    if states[p] == "unjudged":
        parts.append(NOT_STEADY if math.isinf(figures.limit[p]) else NO_TWIN)
    if figures.tied[p]:
        parts.append(TIES)
    if states[p] == "wrong":
        worst = worst_input(figures, p)
        if worst > NEAR:
            parts.append(f"an input is already at {worst:.2f} of its limit")
    if other.name and mine.name and other.name != mine.name:
        parts.append(f"the baseline ran {mine.name}")
    return "; ".join(parts)


def unsteady(capture: Capture, spread: Spread) -> tuple[Record, ...]:
    """Returns the operators of a side that exact repetitions do not repeat, the first of a chain.

    An operator whose inputs repeat and whose output does not is not deterministic.
    """
    loose = np.flatnonzero(spread.repeated > 0).tolist()
    first = min((capture.records[i].step for i in loose), default=0)  # later steps inherit it
    found = []
    for i in loose:
        record = capture.records[i]
        if record.step != first:
            continue
        if record.kind == "operator" and not any(spread.repeated[n] > 0 for n in record.made_from):
            found.append(record)
    return tuple(found)
