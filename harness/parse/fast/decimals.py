"""Decimals -> the floats nearest to them, many at a time.

The method is Lemire's, "Number parsing at a gigabyte per second" (2021): digits as a whole number,
times 128 bits of a power of ten. Mushtak and Lemire, "Fast number parsing without fallback" (2023),
prove that these bits are always enough. A test compares it with `float` to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy import uint64

from harness.parse.fast.compiling import Bits, Small, compiled, part

DIGITS = 19
"""Digits that a whole number of 64 bits can hold."""
LEAST, MOST = -307, 289
"""Powers of ten with which every number of up to 19 digits is 0 or an ordinary float."""
DONE = 1 << 14
"""In place of a power: this is no decimal but the bits of a float."""
_SIGN = uint64(1 << 63)
_HALF = uint64(0xFFFFFFFF)


def _power(exponent: int) -> tuple[int, int]:
    """The first 128 bits of a power of ten in two halves, rounded as the proof asks."""
    five = 5 ** abs(exponent)
    size = five.bit_length()
    if exponent >= 0:
        bits = five << 128 >> size
    elif exponent >= -27:
        bits = (1 << size + 127) // five + 1
    else:
        bits = (1 << 2 * size + 128) // five + 1
        bits >>= bits.bit_length() - 128
    return bits >> 64, bits & (1 << 64) - 1


_POWERS = np.array([_power(exponent) for exponent in range(LEAST, MOST + 1)], dtype=uint64)


@part
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The 128 bits of a product in two halves."""
    shift = uint64(32)
    a_high, a_low, b_high, b_low = a >> shift, a & _HALF, b >> shift, b & _HALF
    middle = a_high * b_low + (a_low * b_low >> shift)
    other = a_low * b_high + (middle & _HALF)
    return a_high * b_high + (middle >> shift) + (other >> shift), a * b


@part
def _nearest(mantissa: np.uint64, exponent: int) -> np.uint64:
    """The bits of the float nearest to `mantissa`, above 0, times ten to the `exponent`."""
    zeros = 1086 - int(np.float64(mantissa).view(np.int64) >> 52)
    mantissa <<= uint64(zeros)
    if mantissa < _SIGN:  # as a float it was rounded up to the next power of two
        mantissa <<= uint64(1)
        zeros += 1
    high, low = _product(mantissa, _POWERS[exponent - LEAST, 0])
    if high & uint64(0x1FF) == uint64(0x1FF):
        more, _ = _product(mantissa, _POWERS[exponent - LEAST, 1])
        low += more
        if low < more:
            high += uint64(1)
    upper = high >> uint64(63)
    shift = upper + uint64(9)
    found = high >> shift
    halfway = low <= uint64(1) and -4 <= exponent <= 23 and found & uint64(3) == uint64(1)
    if halfway and found << shift == high:
        found &= ~uint64(1)  # to the even one
    found = (found + (found & uint64(1))) >> uint64(1)
    two = ((217706 * exponent) >> 16) + 1086 + int(upper) - zeros
    return (uint64(two - 1) << uint64(52)) + found  # the first bit of `found` adds one to `two`


@compiled
def to_floats(decimals: Bits, powers: Small) -> None:
    """Puts the bits of floats in place of the digits (n,) of decimals.

    A power is twice that of ten, between `LEAST` and `MOST`, plus one where the number is negative;
    or `DONE`.
    """
    for i in range(decimals.size):
        if powers[i] != DONE:
            if decimals[i]:
                decimals[i] = _nearest(decimals[i], powers[i] >> 1)
            decimals[i] |= uint64(powers[i] & 1) << uint64(63)
