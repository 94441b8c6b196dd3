"""Cuts lines of known shapes into numbers, in one compiled pass that leaves Python's lock alone.

A line is walked against a shape: its words must stand where they should, and between them a date,
a time, counters and decimals. A decimal is left as its digits and a power of ten.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy import uint64

from harness.parse.fast.compiling import Bits, Bytes, Small, Table, compiled, part
from harness.parse.fast.digits import byte, count, decimal, eight

HEAD = 5
"""Places of a shape before those of its values: date, time, epoch, iteration and rank."""


class Shapes(NamedTuple):
    """The shapes that `cut` knows; the places of one begin at its number in `firsts`.

    The words before a place begin and end at its numbers in `begins` and `ends`, and have that many
    bytes. Of `words`, every second is a mask of those before it; no place has more than `widest`.
    """

    begins: Table
    ends: Table
    bytes: Table
    firsts: Table
    words: Bits
    widest: int


class Room(NamedTuple):
    """What `cut` fills in.

    A row has its line, its first and last byte, its shape, its iteration, its rank, and the place
    of its first number, the epoch. A number has its digits and a power, see `decimals`. One that
    has too many digits is late: its place, its first and last byte.
    """

    lines: Table
    starts: Table
    ends: Table
    shapes: Table
    iterations: Table
    ranks: Table
    firsts: Table
    decimals: Bits
    powers: Small
    late: Table
    late_starts: Table
    late_ends: Table

    @classmethod
    def of(cls, rows: int, numbers: int) -> Room:
        """Room for so many rows and numbers."""

        def table(n: int) -> Table:
            return np.empty(n, dtype=np.int64)

        return cls(
            lines=table(rows),
            starts=table(rows),
            ends=table(rows),
            shapes=table(rows),
            iterations=table(rows),
            ranks=table(rows),
            firsts=table(rows),
            decimals=np.empty(numbers, dtype=np.uint64),
            powers=np.empty(numbers, dtype=np.int16),
            late=table(numbers),
            late_starts=table(numbers),
            late_ends=table(numbers),
        )


@part
def _clock(text: Bytes, at: int) -> int:
    """The end of a date or time, which are of the characters `+,-./0-9:`; 0 if there is none."""
    start = at
    while at + 8 <= text.size:
        word = eight(text, at)
        low, high = word + uint64(0x5555555555555555), word + uint64(0x4545454545454545)
        if (~low | high | word) & uint64(0x8080808080808080):  # below 43 or above 58
            break
        at += 8
    while 43 <= byte(text, at) <= 58:
        at += 1
    return 0 if at == start else at


@part
def _words(text: Bytes, at: int, shapes: Shapes, i: int) -> int:
    """The end of the words that stand before place `i` of the shapes; 0 if others do."""
    k, end = uint64(shapes.begins[uint64(i)]), uint64(shapes.ends[uint64(i)])
    after = at + shapes.bytes[uint64(i)]
    if at > text.size - shapes.widest:
        return 0
    while k < end:
        if (eight(text, at) ^ shapes.words[k]) & shapes.words[k + uint64(1)]:
            return 0
        at += 8
        k += uint64(2)
    return int(after)


@part
def _is_epoch(into: Room, v: int) -> bool:
    """Whether a decimal is from 0 to 10^12: by its digits, or because it has 7 behind the point."""
    digits, power = into.decimals[uint64(v)], into.powers[uint64(v)]
    return bool(power & 1 == 0 and power <= 0 and (digits <= uint64(10**12) or power <= -14))


@part
def _line(
    text: Bytes, at: int, shapes: Shapes, one: int, into: Room, row: int, v: int, n_late: int
) -> tuple[int, int, int]:
    """The end of a line of this shape, or 0; and how many numbers and late ones there are now."""
    begin, end = shapes.firsts[uint64(one)], shapes.firsts[uint64(one + 1)] - 1
    into.firsts[uint64(row)] = v
    for i in range(begin, end):
        at = _words(text, at, shapes, i)
        if at == 0:
            return 0, v, n_late
        place = i - begin
        if place < 2:
            at = _clock(text, at)
        elif place == 3:
            at, value = count(text, at)
            into.iterations[uint64(row)] = np.int64(value)
        elif place == 4:
            single = byte(text, at) == 45  # a single process calls itself -1
            at, value = count(text, at + single)
            into.ranks[uint64(row)] = np.int64(uint64(0) if single else value)
        else:
            after = decimal(text, at, into.decimals, into.powers, v)
            if after < 0:
                into.late[n_late], into.late_starts[n_late], into.late_ends[n_late] = v, at, -after
                n_late += 1
            at, v = abs(after), v + 1
        if at == 0:
            return 0, v, n_late
    at = _words(text, at, shapes, end)
    at += at > 0 and byte(text, at) == 13
    whole = at > 0 and byte(text, at) == 10 and _is_epoch(into, into.firsts[uint64(row)])
    return (at + 1 if whole else 0), v, n_late


@part
def _without(at: int, into: Room, row: int, v: int, n_late: int) -> tuple[int, int, int]:
    """How many rows, numbers and late ones are left without those of a line that ends here."""
    if row and into.ends[row - 1] == at:
        row -= 1
        v = into.firsts[row]
        while n_late and into.late[n_late - 1] >= v:
            n_late -= 1
    return row, v, n_late


@compiled
def cut(
    text: Bytes, at: int, last: int, line: int, shapes: Shapes, into: Room
) -> tuple[int, int, int]:
    """Fills in rows, numbers and late ones from byte `at` on, where `line` is; how many of each.

    Lines from byte `last` on, lines of no shape, and each line before such a one have no row: what
    follows a record may be the rest of it. `text` ends with a line end.
    """
    kinds = shapes.firsts.size - 1
    zero: Any = np.int64(0)  # a plain 0 is a type of its own, for which all would be compiled again
    row = v = n_late = recent = zero
    while at < last:
        after = 0
        for k in range(kinds):
            one = recent + k - (kinds if recent + k >= kinds else 0)  # a division takes as long
            after, next_v, next_late = _line(text, at, shapes, one, into, row, v, n_late)
            if after:
                into.lines[uint64(row)], into.shapes[uint64(row)] = line, one
                into.starts[uint64(row)], into.ends[uint64(row)] = at, after
                row, v, n_late, recent = row + 1, next_v, next_late, one
                break
        if after == 0:
            row, v, n_late = _without(at, into, row, v, n_late)
            after = at + 1
            while byte(text, after - 1) != 10:
                after += 1
        at, line = after, line + 1
    return _without(at, into, row, v, n_late)
