"""CRC-32C (Castagnoli) of many short texts at once, by numpy.

A CRC is linear: that of a text is the exclusive-or of what each byte adds, which depends on the
byte and its distance from the end only. So a table by (distance, byte), one look-up a byte and one
reduction a text give all of them, and nothing waits for the byte before it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
REACH = 256
"""Bytes of the longest text that the table serves: 256 KiB of table, which stay in the cache."""
BLOCK = 1 << 15
"""Bytes for which indices are made at once; those of more would not stay in the cache."""

Words = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


def masked(crc: Words) -> Words:
    """Returns checksums (n,) as TFRecord stores them: rotated by 15 bits, plus a constant."""
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


def crc32c(data: bytes, starts: Places, lengths: Places) -> Words:
    """Returns the checksums (n,) of the texts that begin at `starts` (n,) of `data`.

    >>> data = b"123456789"
    >>> [hex(crc) for crc in crc32c(data, np.array([0, 0]), np.array([9, 0]))]
    ['0xe3069283', '0x0']
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    out = np.zeros(len(starts), dtype=np.uint32)
    short = np.flatnonzero((lengths > 0) & (lengths <= REACH))
    ends = np.cumsum(lengths[short])
    begun = 0
    while begun < len(short):  # as many texts as make a block, at least one
        before = int(ends[begun - 1]) if begun else 0
        end = max(begun + 1, int(np.searchsorted(ends, before + BLOCK, side="right")))
        of = short[begun:end]
        out[of] = _short(raw, starts[of], lengths[of])
        begun = end
    for i in np.flatnonzero(lengths > REACH):
        out[i] = _long(raw[starts[i] : starts[i] + lengths[i]])
    return out


def _short(raw: Bytes, starts: Places, lengths: Places) -> Words:
    """The checksums of texts of 1 to `REACH` bytes."""
    ends = np.cumsum(lengths)
    begins = ends - lengths
    within = np.arange(ends[-1], dtype=np.int64)
    distance = np.repeat(ends, lengths)
    distance -= within + 1
    within += np.repeat(starts - begins, lengths)
    distance <<= 8
    distance |= raw[within]
    sums = np.bitwise_xor.reduceat(_table().take(distance), begins)
    return np.asarray(sums ^ _lengths()[lengths], dtype=np.uint32)


def _long(text: Bytes) -> int:
    """The checksum of a text of more than `REACH` bytes: of its pieces, joined two by two."""
    pieces = 1 << int(np.ceil(np.log2(len(text) / REACH)))
    padded = np.zeros(pieces * REACH, dtype=np.uint8)  # zeros before a text add nothing
    padded[-len(text) :] = text
    begin = padded.size - len(text)
    padded[begin : begin + 4] ^= 0xFF  # what the usual start at 0xFFFFFFFF comes to
    crc = np.empty(pieces, dtype=np.uint32)
    table = _table()
    places = np.arange(REACH - 1, -1, -1, dtype=np.int64) << 8
    step = BLOCK // REACH
    for i in range(0, pieces, step):
        rows = padded[i * REACH : (i + step) * REACH].reshape(-1, REACH)
        crc[i : i + step] = np.bitwise_xor.reduce(table.take(places | rows), axis=1)
    level = 0
    while crc.size > 1:
        crc = _shifted(crc[0::2], level) ^ crc[1::2]
        level += 1
    return int(crc[0]) ^ 0xFFFF_FFFF


@cache
def _table() -> Words:
    """What a byte adds by its distance from the end: (REACH * 256,), by `distance << 8 | byte`."""
    table = np.empty((REACH, 256), dtype=np.uint32)
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = (first >> np.uint32(1)) ^ np.where(first & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    table[0] = first
    for i in range(1, REACH):  # one zero byte more behind it
        table[i] = first[table[i - 1] & 0xFF] ^ (table[i - 1] >> np.uint32(8))
    return table.reshape(-1)


@cache
def _lengths() -> Words:
    """What the start at 0xFFFFFFFF and the end add to a text of each length (REACH + 1,)."""
    first = _table()[:256]
    added = np.empty(REACH + 1, dtype=np.uint32)
    crc = np.uint32(0xFFFF_FFFF)
    for i in range(REACH + 1):
        added[i] = crc ^ np.uint32(0xFFFF_FFFF)
        crc = first[crc & 0xFF] ^ (crc >> np.uint32(8))
    return added


@cache
def _shift(level: int) -> Words:
    """What `REACH * 2**level` zero bytes behind a text make of each byte of its CRC (4, 256)."""
    table = np.empty((4, 256), dtype=np.uint32)
    if level:
        below = _shift(level - 1)
        return np.stack([_shifted(row, level - 1) for row in below])
    rest = np.arange(256, dtype=np.uint32)
    for j in range(4):
        crc = rest << np.uint32(8 * j)
        for _ in range(REACH):
            crc = _table()[crc & 0xFF] ^ (crc >> np.uint32(8))
        table[j] = crc
    return table


def _shifted(crc: Words, level: int) -> Words:
    table = _shift(level)
    parts = [table[j][(crc >> np.uint32(8 * j)) & np.uint32(0xFF)] for j in range(4)]
    return np.asarray(parts[0] ^ parts[1] ^ parts[2] ^ parts[3], dtype=np.uint32)
