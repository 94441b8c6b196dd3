"""Rows of a chunk in the order of their lines -> the records of each shape and rank."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import uint64

from harness.parse.fast.compiling import Floats, Table, compiled
from harness.parse.fast.cutter import Room
from harness.parse.fast.pending import Records
from harness.parse.fast.shape import Shape

_MANY = 1 << 16
"""Shapes times ranks beyond which the ranks are numbered anew; a rank may be any number."""


class _Rows(NamedTuple):
    """What `cut` found: of each row its kind, which is a shape and a rank, and its first number."""

    kinds: Table
    lines: Table
    iterations: Table
    firsts: Table
    numbers: Floats


class _Kinds(NamedTuple):
    """Of each kind: its rows, its values in a row, and where its next row and values go."""

    counts: Table
    widths: Table
    rows: Table
    values: Table


class _Columns(NamedTuple):
    """The rows of one kind after those of another; of its values a column after the other."""

    lines: Table
    iterations: Table
    epochs: Floats
    values: Floats


@compiled
def _sort(rows: _Rows, kinds: _Kinds, into: _Columns) -> None:
    """Fills in the columns. Unsigned indices do not count from the end, which saves a test."""
    for i in range(rows.kinds.size):
        kind, first = uint64(rows.kinds[uint64(i)]), rows.firsts[uint64(i)]
        to = uint64(kinds.rows[kind])
        kinds.rows[kind] += 1
        into.lines[to] = rows.lines[uint64(i)]
        into.iterations[to] = rows.iterations[uint64(i)]
        into.epochs[to] = rows.numbers[uint64(first)]
        value = kinds.values[kind]
        kinds.values[kind] += 1
        for field in range(1, kinds.widths[kind] + 1):
            into.values[uint64(value)] = rows.numbers[uint64(first + field)]
            value += kinds.counts[kind]


def records(room: Room, n: int, numbers: Floats, shapes: tuple[Shape, ...]) -> list[Records]:
    """The records in `n` rows by shape and rank, each in order; `numbers` are those of all rows."""
    if not n:
        return []
    ranks = room.ranks[:n]
    names = range(int(ranks.max()) + 1)
    if len(names) * len(shapes) > _MANY:
        found, ranks = np.unique(ranks, return_inverse=True)
        names = found.tolist()
    kinds = room.shapes[:n] * len(names) + ranks
    widths = np.repeat([len(shape.fields) for shape in shapes], len(names))
    counts = np.bincount(kinds, minlength=widths.size)
    ends, value_ends = counts.cumsum(), (counts * widths).cumsum()
    into = _Columns(
        lines=np.empty(n, dtype=np.int64),
        iterations=np.empty(n, dtype=np.int64),
        epochs=np.empty(n),
        values=np.empty(value_ends[-1]),
    )
    _sort(
        _Rows(kinds, room.lines[:n], room.iterations[:n], room.firsts[:n], numbers),
        _Kinds(counts, widths, ends - counts, value_ends - counts * widths),
        into,
    )
    return [
        Records(
            shape=shapes[kind // len(names)],
            rank=names[kind % len(names)],
            lines=into.lines[end - size : end],
            epochs=into.epochs[end - size : end],
            iterations=into.iterations[end - size : end],
            values=tuple(
                into.values[value_end - size * field : value_end - size * (field - 1)]
                for field in range(widths[kind], 0, -1)
            ),
        )
        for kind in np.flatnonzero(counts).tolist()
        for size, end, value_end in [(counts[kind], ends[kind], value_ends[kind])]
    ]
