"""Numbers as logs spell them -> digits and powers of ten, eight bytes at a time where they can be.

A text ends with a line end, so what reads byte by byte need not look for the end of the text.
"""

from __future__ import annotations

import numpy as np
from numpy import uint64

from harness.parse.fast.compiling import Bits, Bytes, Small, part
from harness.parse.fast.decimals import DIGITS, DONE, LEAST, MOST

_COUNT_DIGITS = 12
_NAN, _INF = uint64(0x7FF8 << 48), uint64(0x7FF0 << 48)
_FAR = 10_000
"""An exponent beyond which another digit changes nothing."""


@part
def byte(text: Bytes, at: int) -> int:
    """One byte. An unsigned index does not count from the end, which saves a test."""
    return int(text[uint64(at)])


@part
def eight(text: Bytes, at: int) -> np.uint64:
    """Eight bytes as one number, the first of them lowest: one load of the machine."""
    word = uint64(0)
    for i in range(8):
        word |= uint64(text[uint64(at + i)]) << uint64(8 * i)
    return word


@part
def _eight_digits(word: np.uint64) -> np.uint64:
    """The number that eight digits spell: pairs, then fours, then all, each in one product."""
    word = word * uint64(10) + (word >> uint64(8))
    mask = uint64(0x000000FF000000FF)
    low = (word & mask) * uint64(0x000F424000000064)
    high = ((word >> uint64(16)) & mask) * uint64(0x0000271000000001)
    return (low + high) >> uint64(32)


@part
def _four_digits(word: np.uint64) -> np.uint64:
    """The number that the lower four bytes spell."""
    word = word * uint64(10) + (word >> uint64(8))
    return (word & uint64(0xFF)) * uint64(100) + ((word >> uint64(16)) & uint64(0xFF))


@part
def _few_digits(text: Bytes, at: int, so_far: np.uint64) -> tuple[int, np.uint64]:
    """As `_digits`, faster for a few."""
    while 48 <= byte(text, at) <= 57:
        so_far = so_far * uint64(10) + uint64(byte(text, at) - 48)
        at += 1
    return at, so_far


@part
def _digits(text: Bytes, at: int, so_far: np.uint64) -> tuple[int, np.uint64]:
    """Where digits end, and the number that they continue, modulo 2^64."""
    while at + 8 <= text.size:
        word = eight(text, at) ^ uint64(0x3030303030303030)
        others = ((word + uint64(0x7676767676767676)) | word) & uint64(0x8080808080808080)
        if others:  # bytes of 10 and above
            if others & uint64(0xFFFFFFFF) == 0:
                so_far = so_far * uint64(10_000) + _four_digits(word)
                at += 4
            break
        so_far = so_far * uint64(100_000_000) + _eight_digits(word)
        at += 8
    return _few_digits(text, at, so_far)


@part
def _named(text: Bytes, at: int) -> tuple[int, np.uint64]:
    """The end of `nan` or `inf`, in any case, and its bits; 0 as the end if neither is there."""
    if at + 3 > text.size:
        return 0, uint64(0)
    word = (byte(text, at) << 16 | byte(text, at + 1) << 8 | byte(text, at + 2)) | 0x202020
    if word == 0x6E616E:
        return at + 3, _NAN
    return (at + 3 if word == 0x696E66 else 0), _INF


@part
def _exponent(text: Bytes, at: int) -> tuple[int, int]:
    """The end of an exponent that begins after its `e`, and its value; 0 as the end if none."""
    sign = byte(text, at)
    at += sign == 43 or sign == 45
    start, value = at, 0
    while 48 <= byte(text, at) <= 57:
        value = min(value * 10 + byte(text, at) - 48, _FAR)
        at += 1
    return (0 if at == start else at), (-value if sign == 45 else value)


@part
def _leading_zeros(text: Bytes, at: int) -> int:
    """How many zeros a number begins with, its point aside."""
    zeros = 0
    while byte(text, at) == 46 or byte(text, at) == 48:
        zeros += byte(text, at) == 48
        at += 1
    return zeros


@part
def decimal(text: Bytes, at: int, decimals: Bits, powers: Small, v: int) -> int:
    """The end of the number that goes to place `v`; 0 if there is none.

    Minus its end if it has too many digits or too large an exponent to be put there.
    """
    negative = byte(text, at) == 45
    at += negative or byte(text, at) == 43
    start, exponent, more = at, 0, 0
    at, number = _few_digits(text, at, uint64(0))
    digits = at - start
    if byte(text, at) == 46:
        point = at + 1
        at, number = _digits(text, point, number)
        exponent = point - at
        digits -= exponent
    powers[uint64(v)] = DONE
    if digits == 0:
        at, number = _named(text, start)
        decimals[uint64(v)] = number | uint64(negative) << uint64(63)
        return at
    if byte(text, at) | 32 == 101:
        at, more = _exponent(text, at + 1)
    exponent = exponent + more if number else 0
    too_many = digits > DIGITS and digits - _leading_zeros(text, start) > DIGITS
    if too_many or not LEAST <= exponent <= MOST:
        return -at
    decimals[uint64(v)], powers[uint64(v)] = number, 2 * exponent + negative
    return at


@part
def count(text: Bytes, at: int) -> tuple[int, np.uint64]:
    """The end of a counter, 0 if it is none or too long; and the counter."""
    end, value = _few_digits(text, at, uint64(0))
    return (end if 0 < end - at <= _COUNT_DIGITS else 0), value
