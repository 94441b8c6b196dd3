"""Protocol buffers without a schema: the fields of a message, in the order in which they stand.

(1, 1, b"...8 bytes...")   number of the field, wire type, value
(2, 0, 150)                of wire type 0 (varint) the number, of the others their bytes
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types. Groups (3 and 4) are an error: no message that the harness reads has any."""
MAX_VARINT = 10
"""Bytes of the longest varint."""

Field = tuple[int, int, int | bytes]


def fields(data: bytes) -> Iterator[Field]:
    r"""Yields the fields of a message: number, wire type and value.

    >>> list(fields(b"\x08\x96\x01\x12\x02ab"))
    [(1, 0, 150), (2, 2, b'ab')]

    Raises:
        ValueError: the bytes are no message.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if not number:
            msg = f"a field with the number 0 before byte {at}"
            raise ValueError(msg)
        if kind == VARINT:
            value, at = varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = varint(data, at)
        elif kind in {FIXED64, FIXED32}:
            size = 8 if kind == FIXED64 else 4
        else:
            msg = f"a field of wire type {kind} before byte {at}; expected 0, 1, 2 or 5"
            raise ValueError(msg)
        if size > end - at:
            msg = f"a field of {size} bytes at byte {at} of {end}"
            raise ValueError(msg)
        yield number, kind, data[at : at + size]
        at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the number that begins at a byte, below 2**64, and the first byte behind it.

    Raises:
        ValueError: the bytes end inside the number, or it is longer than 10 bytes.
    """
    value = 0
    for i, byte in enumerate(data[at : at + MAX_VARINT]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:  # the bit that says that another byte follows
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + i + 1
    msg = f"a number at byte {at} without an end"
    raise ValueError(msg)


def signed(value: int) -> int:
    """Returns a varint of 64 bits as a number with a sign.

    >>> signed(2**64 - 1), signed(7)
    (-1, 7)
    """
    return value - (1 << 64) if value >> 63 else value


def text(value: int | bytes) -> str:
    """Returns a field's text; empty if the field is not of that wire type.

    Raises:
        ValueError: it is not UTF-8.
    """
    return value.decode() if isinstance(value, bytes) else ""


def double(value: int | bytes) -> float:
    """Returns the number in a field of 8 bytes.

    Raises:
        ValueError: the field is of another wire type.
    """
    return _fixed("<d", value)


def single(value: int | bytes) -> float:
    """Returns the number in a field of 4 bytes.

    Raises:
        ValueError: the field is of another wire type.
    """
    return _fixed("<f", value)


def _fixed(form: str, value: int | bytes) -> float:
    if isinstance(value, bytes) and len(value) == struct.calcsize(form):
        (number,) = struct.unpack(form, value)
        return float(number)
    msg = "a field of another wire type; expected a number of fixed size"
    raise ValueError(msg)


def packed(kind: int, value: int | bytes) -> Iterator[int]:
    """Yields the numbers of a repeated field of varints, packed into bytes or single.

    Raises:
        ValueError: the bytes end inside a number.
    """
    if kind == VARINT and isinstance(value, int):
        yield value
    elif isinstance(value, bytes):
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            yield number
