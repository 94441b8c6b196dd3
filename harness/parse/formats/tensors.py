"""The single number or text in a tensor of TensorFlow's tensor.proto.

dtype: DT_FLOAT  tensor_shape { }  float_val: 2.5
"""

from __future__ import annotations

import struct

import numpy as np

from harness.parse.protobuf import BYTES, FIXED32, FIXED64, VARINT, fields, packed, signed

_STRING, _BFLOAT16, _HALF = 7, 14, 19
_DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    9: "<i8",
    _BFLOAT16: "<u2",
    17: "<u2",
    _HALF: "<f2",
    22: "<u4",
    23: "<u8",
}
"""Numbers by TensorFlow's number of their type, as they lie in `tensor_content`."""
_FIELDS = {1: 5, 2: 6, 3: 7, 4: 7, 5: 7, 6: 7, 9: 10, 14: 13, 17: 7, 19: 13, 22: 16, 23: 17}
"""The field with the values of each type, where the tensor has no `tensor_content`."""
_CONTENT, _TEXTS = 4, 8
_SIZES = {5: ("<f", 4), 6: ("<d", 8)}
"""Fields of numbers of fixed size."""


def scalar_of(data: bytes) -> float | str | None:
    """Returns the number or the text that a tensor of one element holds; None for any other.

    Raises:
        ValueError: the bytes are no tensor, or a text is not UTF-8.
    """
    kind, shape, content = 0, list[int](), b""
    values: list[tuple[int, int, int | bytes]] = []
    for number, wire, value in fields(data):
        if (number, wire) == (1, VARINT) and isinstance(value, int):
            kind = value
        elif (number, wire) == (2, BYTES) and isinstance(value, bytes):
            shape += _shape(value)
        elif (number, wire) == (_CONTENT, BYTES) and isinstance(value, bytes):
            content = value
        elif number > _CONTENT:
            values.append((number, wire, value))
    if any(size != 1 for size in shape):
        return None
    if kind == _STRING:
        texts = [v for n, _, v in values if n == _TEXTS and isinstance(v, bytes)]
        return texts[0].decode() if len(texts) == 1 else None
    if kind not in _DTYPES:
        return None
    return _content(kind, content) if content else _value(kind, values)


def _shape(data: bytes) -> list[int]:
    sizes = []
    for number, wire, value in fields(data):
        if (number, wire) == (2, BYTES) and isinstance(value, bytes):
            stated = [v for n, w, v in fields(value) if (n, w) == (1, VARINT)]
            sizes.append(signed(int(stated[-1])) if stated else 0)
    return sizes


def _content(kind: int, content: bytes) -> float | None:
    dtype = np.dtype(_DTYPES[kind])
    if len(content) != dtype.itemsize:
        return None
    number = np.frombuffer(content, dtype=dtype)[0]
    return _bfloat16(int(number)) if kind == _BFLOAT16 else float(number)


def _value(kind: int, values: list[tuple[int, int, int | bytes]]) -> float | None:
    field = _FIELDS[kind]
    numbers: list[float] = []
    for number, wire, value in values:
        if number != field:
            continue
        if field in _SIZES and isinstance(value, bytes) and wire in {BYTES, FIXED32, FIXED64}:
            form, size = _SIZES[field]
            if wire == BYTES or len(value) == size:
                numbers += [x for (x,) in struct.iter_unpack(form, value)]
        elif field not in _SIZES:
            numbers += [_whole(kind, n) for n in packed(wire, value)]
    return float(numbers[0]) if len(numbers) == 1 else None


def _whole(kind: int, value: int) -> float:
    """The number of a varint, or of the bits of a short float in it."""
    if kind == _BFLOAT16:
        return _bfloat16(value & 0xFFFF)
    if kind == _HALF:
        return float(np.array(value & 0xFFFF, dtype=np.uint16).view(np.float16))
    dtype = np.dtype(_DTYPES[kind])
    if dtype.kind == "u":
        return float(value)
    return float(signed(value))


def _bfloat16(bits: int) -> float:
    """The number whose float32 has these bits in front."""
    return float(np.array(bits << 16, dtype=np.uint32).view(np.float32))
