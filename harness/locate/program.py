"""What the sides ran: operators that were called with other settings, or that one side alone ran.

Figures name a fault only where it exceeds rounding. Settings are exact: an operator that was called
with another epsilon is named whatever its result says. An operator that one side alone ran may be
harmless, since a device may split operators and join them. It is named where figures cannot decide:
where the limits are those of 16 bits, or wider, and no operator before it exceeds its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.locate import names, settings
from harness.locate.capture import START, Capture, Record
from harness.locate.distance import Distances
from harness.locate.match import Matched
from harness.locate.result import Row
from harness.locate.rows import NEAR, listed, lone_row, worst_input
from harness.log.wording import counted

COARSE = 3e-3
"""Relative limit from which on rounding may hide a fault; that of float16 is the smallest above."""
CLEAR = 3.0
"""Times the limit from which on a difference is not what an operator before it left."""
MOVING = frozenset(
    {
        *("to", "copy", "clone", "contiguous", "detach", "alias", "slice_backward"),
        *("zeros", "zeros_like", "ones", "ones_like", "full", "full_like", "fill", "zero"),
        *("arange", "eye", "scalar_tensor", "new_zeros", "new_full", "select_backward"),
    }
)
"""Operators that make or move numbers. A device adds them where it needs another layout or format;
they say nothing alone."""
Found = tuple[float, Row]
"""A culprit and its place among the records of the baseline."""


def with_program(
    culprits: Sequence[Row],
    rows: Sequence[Row],
    sides: tuple[Capture, Capture],
    matched: Matched,
    figures: Distances,
    *,
    computed: frozenset[int],
) -> tuple[Row, ...]:
    """Returns the culprits with what differs in the program, in the order of execution.

    `sides` are the baseline and the candidate. `computed` are records whose settings the baseline
    does not repeat itself.
    """
    ours, theirs = sides
    if culprits and culprits[0].kind in START and culprits[0].step == 0:
        return tuple(culprits)
    number_of = {id(row): p for p, row in enumerate(rows)}
    first = next((number_of[id(row)] for row in culprits if id(row) in number_of), None)
    at = np.inf if first is None else float(matched.pairs[first, 0])
    unlike = settings.unlike(ours, theirs, matched.pairs, computed=computed)
    clear = first is not None and _is_clear(rows[first], worst_input(figures, first))
    alone = [] if clear else _alone(ours, theirs, matched, figures)
    found = sorted([*_asked(rows, matched, unlike), *alone], key=lambda pair: pair[0])
    asked = {id(rows[p]) for p in unlike}
    kept = [row for row in culprits if id(row) not in asked]
    before = tuple(row for place, row in found if place <= at)
    behind = tuple(row for place, row in found if place > at and row.evidence == "settings")
    return (*before, *kept, *behind)


def _is_clear(culprit: Row, input_limits: float) -> bool:
    """Returns whether a culprit is far beyond its limit, with inputs that are far from theirs."""
    return culprit.ratio >= CLEAR and input_limits <= NEAR


def _asked(rows: Sequence[Row], matched: Matched, unlike: Mapping[int, str]) -> list[Found]:
    """Returns the first of the operators whose settings differ alike; `unlike` has them all."""
    alike: dict[tuple[str, str], list[int]] = {}
    for p, words in unlike.items():
        alike.setdefault((names.canonical(rows[p].operator), words), []).append(p)
    found = []
    for (_, words), places in alike.items():
        first = places[0]
        calls = sum(rows[p].output == rows[first].output for p in places)
        more = f" (and in {counted(calls - 1, 'more call')})" if calls > 1 else ""
        row = replace(rows[first], state="wrong", evidence="settings", note=words + more)
        found.append((float(matched.pairs[first, 0]), row))
    return found


def _alone(ours: Capture, theirs: Capture, matched: Matched, figures: Distances) -> list[Found]:
    """Returns the first operator of each call of a module that one side alone ran, if it counts."""
    groups: dict[tuple[object, ...], tuple[list[int], list[int]]] = {}
    sides = ((ours, matched.ours_only), (theirs, matched.theirs_only))
    for side, (capture, numbers) in enumerate(sides):
        for n in numbers:
            if _counts(record := capture.records[n]):
                key = (record.step, record.phase, names.path(record.module), record.call)
                groups.setdefault(key, ([], []))[side].append(n)
    order = np.array(sorted(matched.pairs[:, ::-1].tolist())).reshape(-1, 2)
    coarse = _coarse(ours, theirs, matched, figures)
    found = []
    for mine, others in groups.values():
        if not (coarse[0] & {*mine} or coarse[1] & {*others}):
            continue
        places = [float(n) for n in mine[:1]] + [_place(order, n) for n in others[:1]]
        found.append((min(places), _row(ours, theirs, mine, others)))
    return found


def _counts(record: Record) -> bool:
    return record.kind == "operator" and names.canonical(record.name) not in MOVING


def _place(order: np.ndarray, n: int) -> float:
    """Returns where a record of the candidate lies between those of the baseline.

    `order` (P, 2) are the pairs, the candidate's record first, by that record.
    """
    before = int(np.searchsorted(order[:, 0], n)) - 1
    return float(order[before, 1]) + 0.5 if before >= 0 else -0.5


def _coarse(
    ours: Capture, theirs: Capture, matched: Matched, figures: Distances
) -> tuple[set[int], set[int]]:
    """Returns the records without a partner, of each side, that lie beside a coarse limit.

    Beside it lie what went into a pair, and what a pair went into, through others without partner.
    """
    size = np.where(figures.size > 0, figures.size, 1.0)
    wide = np.isfinite(figures.limit) & (figures.limit > COARSE * size)
    sides = []
    for side, (capture, alone) in enumerate(
        ((ours, {*matched.ours_only}), (theirs, {*matched.theirs_only}))
    ):
        paired = {int(n): bool(wide[p]) for p, n in enumerate(matched.pairs[:, side])}
        found = {n for n in sorted(alone) if any(map(paired.get, capture.records[n].made_from))}
        for n in range(len(capture.records) - 1, -1, -1):
            if paired.get(n) or n in found:
                found.update(alone.intersection(capture.records[n].made_from))
        for n in sorted(alone):
            if found.intersection(capture.records[n].made_from):
                found.add(n)
        sides.append(found)
    return sides[0], sides[1]


def _row(ours: Capture, theirs: Capture, mine: Sequence[int], others: Sequence[int]) -> Row:
    """Returns the row of what one call of a module runs on one side alone."""
    record = theirs.records[others[0]] if others else ours.records[mine[0]]
    here, there = (
        listed([capture.records[n].name for n in numbers])
        for capture, numbers in ((ours, mine), (theirs, others))
    )
    note = f"the baseline alone ran {here}" if here else "the baseline ran no such operator here"
    if not others:
        note = "the candidate ran no such operator here"
    elif len(others) > 1:
        note = f"the candidate alone ran {there}; {note}"
    return lone_row(record, note=note)
