"""Lines that fit templates, cut into their numbers in one compiled pass.

A line is walked against a template: its words must be there, and between them numbers in the form
in which the format's own line had them. Any other spelling leaves the line to the format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import uint64

from harness.parse.fast.compiling import Bits, Bytes, Small, Table, compiled, part
from harness.parse.fast.decimals import DONE, to_floats
from harness.parse.fast.digits import byte, count, decimal, eight
from harness.parse.fast.rows import Rows
from harness.parse.fast.template import Form, Slot, Template

_FIELDS = 7
"""Numbers that describe a slot: form, kept, blanks, width, digits, spellings allowed,
and the fewest blanks of a padded number."""
_SIGNED, _SCIENTIFIC = 1, 2
_FIXED, _ZEROS, _DECIMALS = int(Form.DIGITS), int(Form.PADDED_BY_ZEROS), int(Form.DECIMAL)


class Forms(NamedTuple):
    """The templates that `cut_lines` knows; the slots of one begin at its number in `firsts`.

    The words before a slot begin and end at its numbers in `begins` and `ends` of `words`, of
    which every second is a mask, and have that many bytes; no words have more than `widest`. A
    template has one slot more, whose words end the line. `slots` has `_FIELDS` numbers a slot.
    """

    begins: Table
    ends: Table
    bytes: Table
    firsts: Table
    words: Bits
    slots: Table
    widest: int


class LineRoom(NamedTuple):
    """What `cut_lines` fills in: of each row, as in `Rows`; of each number, digits and a power."""

    starts: Table
    ends: Table
    templates: Table
    firsts: Table
    decimals: Bits
    powers: Small


@part
def _words_end(text: Bytes, at: int, forms: Forms, i: int) -> int:
    """The end of the words before slot `i`; -1 if others are there."""
    k, end = uint64(forms.begins[uint64(i)]), uint64(forms.ends[uint64(i)])
    after = at + forms.bytes[uint64(i)]
    if at > text.size - forms.widest:
        return -1
    while k < end:
        if (eight(text, at) ^ forms.words[k]) & forms.words[k + uint64(1)]:
            return -1
        at += 8
        k += uint64(2)
    return int(after)


@part
def _whole(text: Bytes, at: int, into: LineRoom, v: int, zeros: bool) -> int:
    """The end of a whole number; -1 if there is none, or it has more digits than a counter."""
    end, value = count(text, at)
    if end == 0 or (byte(text, at) == 48 and end > at + 1 and not zeros):
        return -1
    into.decimals[uint64(v)], into.powers[uint64(v)] = value, 0
    return end


@part
def _fixed(text: Bytes, at: int, into: LineRoom, v: int, digits: int) -> int:
    """The end of so many digits; -1 if others than digits are there."""
    value = uint64(0)
    for _ in range(digits):
        if not 48 <= byte(text, at) <= 57:
            return -1
        value = value * uint64(10) + uint64(byte(text, at) - 48)
        at += 1
    into.decimals[uint64(v)], into.powers[uint64(v)] = value, 0
    return at


@part
def _decimal(text: Bytes, at: int, into: LineRoom, v: int, allowed: int) -> int:
    """The end of a decimal with a point or an exponent; -1 if it is spelled otherwise."""
    sign = byte(text, at) == 45
    if sign and not allowed & _SIGNED:
        return -1
    point = at + sign
    if not 48 <= byte(text, point) <= 57:
        return -1
    if byte(text, point) == 48 and 48 <= byte(text, point + 1) <= 57:
        return -1
    while 48 <= byte(text, point) <= 57:
        point += 1
    mark = byte(text, point)
    if mark == 46:
        if not 48 <= byte(text, point + 1) <= 57:
            return -1
    elif mark | 32 != 101:
        return -1
    end = decimal(text, at, into.decimals, into.powers, v)
    if end <= 0 or into.powers[uint64(v)] == DONE:
        return -1
    if not allowed & _SCIENTIFIC:
        for i in range(point, end):
            if byte(text, i) | 32 == 101:
                return -1
    return end


@part
def _number(text: Bytes, at: int, forms: Forms, i: int, into: LineRoom, v: int) -> int:
    """The end of the number of slot `i`, which goes to place `v`; -1 if it does not fit."""
    k = _FIELDS * i
    form, blanks, width = forms.slots[k], forms.slots[k + 2], forms.slots[k + 3]
    start = at
    while byte(text, at) == 32:
        at += 1
    before = at - start
    if before != blanks and width == 0:
        return -1
    if form == _FIXED:
        end = _fixed(text, at, into, v, forms.slots[k + 4])
    elif form == _DECIMALS:
        end = _decimal(text, at, into, v, forms.slots[k + 5])
    else:
        end = _whole(text, at, into, v, form == _ZEROS)
    padded = end - start == width and before >= forms.slots[k + 6]
    return end if before == blanks or padded else -1


@part
def _line(text: Bytes, at: int, forms: Forms, one: int, into: LineRoom, v: int) -> tuple[int, int]:
    """The end of a line that fits a template, or -1; and how many numbers there are now."""
    begin, end = forms.firsts[uint64(one)], forms.firsts[uint64(one + 1)] - 1
    for i in range(begin, end):
        at = _words_end(text, at, forms, i)
        if at < 0:
            return -1, v
        at = _number(text, at, forms, i, into, v)
        if at < 0:
            return -1, v
        v += forms.slots[_FIELDS * i + 1]
    at = _words_end(text, at, forms, end)
    if at < 0:
        return -1, v
    at += byte(text, at) == 13
    return (at + 1 if byte(text, at) == 10 else -1), v


@compiled
def cut_lines(text: Bytes, at: int, forms: Forms, into: LineRoom) -> tuple[int, int]:
    """Fills in rows and numbers from byte `at` on; returns how many of each.

    `text` ends with a line end.
    """
    kinds = forms.firsts.size - 1
    zero: Any = np.int64(0)  # a plain 0 is a type of its own, for which all would be compiled again
    row = v = recent = zero
    while at < text.size:
        after = -1
        for k in range(kinds):
            one = recent + k - (kinds if recent + k >= kinds else 0)
            after, next_v = _line(text, at, forms, one, into, v)
            if after >= 0:
                into.starts[uint64(row)], into.ends[uint64(row)] = at, after
                into.templates[uint64(row)], into.firsts[uint64(row)] = one, v
                row, v, recent = row + 1, next_v, one
                break
        if after < 0:
            after = at + 1
            while byte(text, after - 1) != 10:
                after += 1
        at = after
    return row, v


class LineCutter:
    """Cuts lines by compiled code."""

    def __init__(self, templates: Sequence[Template]) -> None:
        words = [word.encode("ascii") for template in templates for word in template.words]
        eights = [-(-len(word) // 8) for word in words]
        known = b"".join(word.ljust(8 * n, b"\0") for word, n in zip(words, eights, strict=True))
        bits = np.frombuffer(known, dtype=np.uint8)
        both = [bits, np.where(bits, 255, 0).astype(np.uint8)]
        ends = 2 * np.cumsum(eights)
        slots = [n for t in templates for slot in (*t.slots, None) for n in _described(slot)]
        self._forms = Forms(
            begins=ends - 2 * np.array(eights),
            ends=ends,
            bytes=np.array([len(word) for word in words]),
            firsts=np.cumsum([0, *(len(template.words) for template in templates)]),
            words=np.stack([half.view("<u8").astype(np.uint64) for half in both], axis=1).ravel(),
            slots=np.array(slots, dtype=np.int64),
            widest=8 * max(eights),
        )
        sizes = [sum(map(len, t.words)) + sum(s.blanks + 1 for s in t.slots) for t in templates]
        self._shortest = max(1, min(sizes))
        self._most = max(len(t.slots) for t in templates) + 1
        kept = [len(t.kept) / size for t, size in zip(templates, sizes, strict=True)]
        self._density = max(kept)
        self._room: LineRoom | None = None
        self._size = 0

    def cut(self, block: bytes, at: int, end: int) -> Rows:
        """Returns the rows of the whole lines between two bytes; they hold until the next cut."""
        if self._room is None or self._size < end - at:
            self._size = end - at
            n = self._size // self._shortest + 2
            numbers = int(self._size * self._density) + 2 * self._most
            self._room = LineRoom(
                starts=np.empty(n, dtype=np.int64),
                ends=np.empty(n, dtype=np.int64),
                templates=np.empty(n, dtype=np.int64),
                firsts=np.empty(n, dtype=np.int64),
                decimals=np.empty(numbers, dtype=np.uint64),
                powers=np.empty(numbers, dtype=np.int16),
            )
        room = self._room
        n, numbers = cut_lines(np.frombuffer(block, np.uint8, count=end), at, self._forms, room)
        to_floats(room.decimals[:numbers], room.powers[:numbers])
        return Rows(
            starts=room.starts[:n],
            ends=room.ends[:n],
            templates=room.templates[:n],
            firsts=room.firsts[:n],
            numbers=room.decimals[:numbers].view(np.float64),
        )


def _described(slot: Slot | None) -> tuple[int, ...]:
    if slot is None:
        return (0,) * _FIELDS
    allowed = _SIGNED * slot.signed + _SCIENTIFIC * slot.scientific
    padding = slot.width, slot.digits, allowed, slot.least
    return int(slot.form), int(slot.kept), slot.blanks, *padding
