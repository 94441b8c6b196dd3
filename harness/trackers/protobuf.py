"""Reads messages of Protocol Buffers without their schema: the numbers and values of fields."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = int | bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_BYTES = 10
"""Bytes of the longest whole number."""


class DamageError(ValueError):
    """The bytes are no message."""


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yields the fields of a message in their order.

    A text or an inner message is its bytes, a number its 64 or 32 bits as a whole number.

    >>> [*fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69]))]
    [(1, 150), (2, b'hi')]

    Raises:
        DamageError: the bytes are no message.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in {_FIXED64, _FIXED32}:
            length = 8 if kind == _FIXED64 else 4
        else:
            msg = f"a field of the unknown kind {kind}"
            raise DamageError(msg)
        data = message[at : at + length]
        if len(data) < length:
            msg = "a field that is longer than its message"
            raise DamageError(msg)
        at += length
        yield number, data if kind == _BYTES else int.from_bytes(data, "little")


def last_of(message: bytes) -> dict[int, Value]:
    """Returns the last value of each field, which is the one that counts."""
    return dict(fields(message))


def text(value: Value | None) -> str:
    """Returns a field of text; empty if the field is absent, as the format has it."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def inner(value: Value | None) -> dict[int, Value]:
    """Returns the fields of an inner message; empty if the field is absent."""
    return last_of(value) if isinstance(value, bytes) else {}


def signed(value: Value | None) -> int:
    """Returns a field of int64 or int32; 0 if the field is absent, as the format has it.

    >>> signed(None), signed(3), signed(2**64 - 1)
    (0, 3, -1)
    """
    number = value if isinstance(value, int) else 0
    return number - (1 << 64) if number >> 63 else number


def double(value: Value | None) -> float:
    """Returns a field of double; 0 if the field is absent, as the format has it."""
    bits = value if isinstance(value, int) else 0
    number: float = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return number


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(message[at : at + _MOST_BYTES]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value & ((1 << 64) - 1), at + i + 1
    msg = "a number without an end"
    raise DamageError(msg)
