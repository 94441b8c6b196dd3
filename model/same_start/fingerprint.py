"""Fingerprints: eight numbers of a list of arrays, equal on two devices where the arrays are.

They are numbers and not a checksum, so that weights which differ by a rounding have the same ones
to five digits, and any other weights do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUMBERS = 8
FREQUENCY = 10
"""Of the sine of an array's logarithmic norm: a factor of 1.01 moves it by 0.1, a rounding by 1e-6.

It differs among the numbers, so that no factor escapes all of them.
"""

Sums = NDArray[np.float64]


def terms(name: str, values: ArrayLike) -> Sums:
    """Returns what one named array adds to each of the eight sums.

    Number j is <s, x> / |x| + t sin((10 + j) ln|x|), where x is the array in C order as float64,
    and |x| its norm. The signs s of its n elements and the sign t are the bits 0 to n - 1 and n (1
    is plus) of `Generator(PCG64([crc32(name), j])).bytes(n // 8 + 1)`, the highest bit of a byte
    first. An array of zeros, or of no elements, adds 0.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    norm = float(np.sqrt(x @ x))
    if norm == 0.0:
        return np.zeros(NUMBERS)
    return np.array([_term(name, j, x, norm) for j in range(NUMBERS)])


def _term(name: str, j: int, x: Sums, norm: float) -> float:
    generator = np.random.Generator(np.random.PCG64([crc32(name.encode()), j]))
    drawn = np.frombuffer(generator.bytes(x.size // 8 + 1), np.uint8)
    plus = np.unpackbits(drawn, count=x.size + 1).astype(bool)
    projected = float(2.0 * x[plus[:-1]].sum() - x.sum()) / norm
    return projected + (1 if plus[-1] else -1) * math.sin((FREQUENCY + j) * math.log(norm))


def fingerprint(added: Iterable[Sums]) -> str:
    """Returns the eight numbers of the arrays whose `terms` are given, with 7 digits each.

    The sums are divided by the root of the number of arrays.
    """
    rows = np.array(list(added)).reshape(-1, NUMBERS)
    numbers = rows.sum(axis=0) / math.sqrt(max(1, len(rows)))
    return " ".join(f"{number:.7g}" for number in numbers)
