"""Cuts lines of known shapes into numbers, in one compiled pass that leaves Python's lock alone.

A line is walked against a shape: its words must stand where they should, and between them a date,
a time, counters and decimals. A decimal is left as its digits and a power of ten.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy import uint64

from harness.parse.compiling import Bits, Bytes, Small, Table, compiled, part
from harness.parse.decimals import DIGITS, DONE, LEAST, MOST

LINE, START, END, SHAPE, FIRST, ITERATION, RANK = range(7)
"""Columns of a row: its line, its bytes, its shape, where its decimals begin, and its counters."""
HEAD = 5
"""Places of a shape before those of its values: date, time, epoch, iteration and rank."""
_COUNT_DIGITS = 12
_NAN, _INF, _SIGN = uint64(0x7FF8 << 48), uint64(0x7FF0 << 48), uint64(1 << 63)
_FAR = 10_000
"""An exponent beyond which another digit changes nothing."""


class _Shapes(NamedTuple):
    """What `cut` knows of the shapes."""

    places: Table
    firsts: Table
    words: Bits


class _Into(NamedTuple):
    """What `cut` fills in. A late number has too many digits: its place, its begin, its end."""

    rows: Table
    decimals: Bits
    powers: Small
    late: Table


@part
def _byte(text: Bytes, at: int) -> int:
    """One byte. An unsigned index does not count from the end, which saves a test."""
    return int(text[uint64(at)])


@part
def _eight(text: Bytes, at: int) -> np.uint64:
    """Eight bytes as one number, the first of them lowest: one load of the machine."""
    word = uint64(0)
    for i in range(8):
        word |= uint64(text[uint64(at + i)]) << uint64(8 * i)
    return word


@part
def _eight_digits(word: np.uint64) -> np.uint64:
    """The number that eight digits spell: pairs, then fours, then all, each in one product."""
    word -= uint64(0x3030303030303030)
    word = word * uint64(10) + (word >> uint64(8))
    mask = uint64(0x000000FF000000FF)
    low = (word & mask) * uint64(0x000F424000000064)
    high = ((word >> uint64(16)) & mask) * uint64(0x0000271000000001)
    return (low + high) >> uint64(32)


@part
def _digits(text: Bytes, at: int, so_far: np.uint64) -> tuple[int, np.uint64]:
    """Where digits end, and the number that they continue, modulo 2^64."""
    high = uint64(0xF0F0F0F0F0F0F0F0)
    while at + 8 <= text.size:
        word = _eight(text, at)
        carried = (word + uint64(0x0606060606060606)) & high
        if (word & high) | (carried >> uint64(4)) != uint64(0x3333333333333333):
            break  # of a digit the high half is 3, also after 6 is added
        so_far = so_far * uint64(100_000_000) + _eight_digits(word)
        at += 8
    while 48 <= _byte(text, at) <= 57:
        so_far = so_far * uint64(10) + uint64(_byte(text, at) - 48)
        at += 1
    return at, so_far


@part
def _named(text: Bytes, at: int) -> tuple[int, np.uint64]:
    """The end of `nan` or `inf`, in any case, and its bits; 0 as the end if neither is there."""
    if at + 3 > text.size:
        return 0, uint64(0)
    word = (_byte(text, at) << 16 | _byte(text, at + 1) << 8 | _byte(text, at + 2)) | 0x202020
    if word == 0x6E616E:
        return at + 3, _NAN
    return (at + 3 if word == 0x696E66 else 0), _INF


@part
def _exponent(text: Bytes, at: int) -> tuple[int, int]:
    """The end of an exponent that begins after its `e`, and its value; 0 as the end if none."""
    sign = _byte(text, at)
    at += sign == 43 or sign == 45
    start, value = at, 0
    while 48 <= _byte(text, at) <= 57:
        value = min(value * 10 + _byte(text, at) - 48, _FAR)
        at += 1
    return (0 if at == start else at), (-value if sign == 45 else value)


@part
def _leading_zeros(text: Bytes, at: int) -> int:
    """How many zeros a number begins with, its point aside."""
    zeros = 0
    while _byte(text, at) == 46 or _byte(text, at) == 48:
        zeros += _byte(text, at) == 48
        at += 1
    return zeros


@part
def _number(text: Bytes, at: int, into: _Into, v: int) -> int:
    """The end of the number that goes to place `v`; 0 if there is none.

    Minus its end if it has too many digits or too large an exponent to be put there.
    """
    negative = _byte(text, at) == 45
    at += negative or _byte(text, at) == 43
    start, exponent, more = at, 0, 0
    at, number = _digits(text, at, uint64(0))
    digits = at - start
    if _byte(text, at) == 46:
        point = at + 1
        at, number = _digits(text, point, number)
        exponent = point - at
        digits -= exponent
    into.powers[v] = DONE
    if digits == 0:
        at, number = _named(text, start)
        into.decimals[v] = number | uint64(negative) << uint64(63)
        return at
    if _byte(text, at) | 32 == 101:
        at, more = _exponent(text, at + 1)
    exponent = exponent + more if number else 0
    too_many = digits > DIGITS and digits - _leading_zeros(text, start) > DIGITS
    if too_many or not LEAST <= exponent <= MOST:
        return -at
    into.decimals[v], into.powers[v] = number, 2 * exponent + negative
    return at


@part
def _count(text: Bytes, at: int, into: _Into, row: int, column: int) -> int:
    """The end of a counter, which goes to its column of the row; 0 if it is none or too long."""
    start, value = at, 0
    while 48 <= _byte(text, at) <= 57:
        value = value * 10 + _byte(text, at) - 48
        at += 1
    into.rows[row, column] = value
    return at if 0 < at - start <= _COUNT_DIGITS else 0


@part
def _clock(text: Bytes, at: int) -> int:
    """The end of a date or time, which are of the characters `+,-./0-9:`; 0 if there is none."""
    start = at
    while 43 <= _byte(text, at) <= 58:
        at += 1
    return 0 if at == start else at


@part
def _words(text: Bytes, at: int, shapes: _Shapes, i: int) -> int:
    """The end of the words that stand before place `i` of the shapes; 0 if others do."""
    begin, end, length = shapes.places[i, 0], shapes.places[i, 1], shapes.places[i, 2]
    if at + 8 * (end - begin) > text.size:
        return 0
    for k in range(begin, end):
        if (_eight(text, at + 8 * (k - begin)) ^ shapes.words[k, 0]) & shapes.words[k, 1]:
            return 0
    return int(at + length)


@part
def _is_epoch(into: _Into, v: int) -> bool:
    """Whether a decimal is from 0 to 10^12: by its digits, or because it has 7 behind the point."""
    digits, power = into.decimals[v], into.powers[v]
    return bool(power & 1 == 0 and power <= 0 and (digits <= uint64(10**12) or power <= -14))


@part
def _line(
    text: Bytes, at: int, shapes: _Shapes, one: int, into: _Into, row: int, v: int, n_late: int
) -> tuple[int, int, int]:
    """The end of a line of this shape, or 0; and how many numbers and late ones there are now."""
    first, begin, end = v, shapes.firsts[one], shapes.firsts[one + 1] - 1
    for i in range(begin, end):
        at = _words(text, at, shapes, i)
        if at == 0:
            return 0, v, n_late
        place = i - begin
        if place < 2:
            at = _clock(text, at)
        elif 3 <= place < HEAD:
            single = place == 4 and _byte(text, at) == 45  # a single process calls itself -1
            at = _count(text, at + single, into, row, place + ITERATION - 3)
            into.rows[row, RANK] *= not single
        else:
            after = _number(text, at, into, v)
            if after < 0:
                into.late[n_late, 0], into.late[n_late, 1], into.late[n_late, 2] = v, at, -after
                n_late += 1
            at, v = abs(after), v + 1
        if at == 0:
            return 0, v, n_late
    at = _words(text, at, shapes, end)
    at += at > 0 and _byte(text, at) == 13
    whole = at > 0 and _byte(text, at) == 10 and _is_epoch(into, first)
    return (at + 1 if whole else 0), v, n_late


@part
def _without(at: int, into: _Into, row: int, v: int, n_late: int) -> tuple[int, int, int]:
    """How many rows, numbers and late ones are left without those of a line that ends here."""
    if row and into.rows[row - 1, END] == at:
        row -= 1
        v = into.rows[row, FIRST]
        while n_late and into.late[n_late - 1, 0] >= v:
            n_late -= 1
    return row, v, n_late


@compiled(
    "UniTuple(int64, 3)(Array(uint8, 1, 'C', readonly=True), int64, int64[:, ::1], int64[::1],"
    "uint64[:, ::1], int64[:, ::1], uint64[::1], int16[::1], int64[:, ::1])"
)
def cut(
    text: Bytes,
    last: int,
    places: Table,
    firsts: Table,
    words: Bits,
    rows: Table,
    decimals: Bits,
    powers: Small,
    late: Table,
) -> tuple[int, int, int]:
    """Fills in rows, decimals, powers and late ones; how many rows, decimals and late ones.

    Lines from byte `last` on, lines of no shape, and each line before such a one have no row: what
    follows a record may be the rest of it. `text` ends with a line end. A row of `places` is where
    the words before a place of a shape begin and end in `words`, and how many bytes they have; the
    places of a shape begin at its number in `firsts`. `words` are eight bytes and a mask each.
    """
    shapes, into = _Shapes(places, firsts, words), _Into(rows, decimals, powers, late)
    kinds = firsts.size - 1
    zero: Any = np.int64(0)  # a plain 0 is a type of its own, for which all would be compiled again
    at = line = row = v = n_late = recent = zero
    while at < last:
        after = 0
        for k in range(kinds):
            one = recent + k - (kinds if recent + k >= kinds else 0)  # a division takes as long
            after, next_v, next_late = _line(text, at, shapes, one, into, row, v, n_late)
            if after:
                rows[row, LINE], rows[row, START], rows[row, END] = line, at, after
                rows[row, SHAPE], rows[row, FIRST] = one, v
                row, v, n_late, recent = row + 1, next_v, next_late, one
                break
        if after == 0:
            row, v, n_late = _without(at, into, row, v, n_late)
            after = at + 1
            while _byte(text, after - 1) != 10:
                after += 1
        at, line = after, line + 1
    return _without(at, into, row, v, n_late)
