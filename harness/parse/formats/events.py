"""The messages in the records of TensorBoard's event files, down to scalars, tensors and texts.

The numbers of the fields are those of event.proto, summary.proto and the hparams plugin's
plugin_data.proto, checked against tensorboard 2.21.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.log.facts import FactValue
from harness.parse.protobuf import BYTES, VARINT, double, fields, signed, single, text

_SHORT = 100
"""Bytes of a tag up to which the lengths around it take one byte each."""


class Value(NamedTuple):
    """What one value of an event holds: a scalar, hyperparameters, or a text."""

    tag: str
    scalar: float | None = None
    plugin: str = ""
    content: bytes = b""
    tensor: bytes = b""


def plain(tag: str) -> bytes:
    """Returns a summary of a tag and a single number up to that number's 4 bytes.

    Empty for a long tag, which no record begins with.
    """
    name = tag.encode()
    if len(name) > _SHORT:
        return b""
    value = b"\x0a" + bytes([len(name)]) + name + b"\x15"
    inner = b"\x0a" + bytes([len(value) + 4]) + value
    return b"\x2a" + bytes([len(inner) + 4]) + inner


def event_of(data: bytes) -> tuple[int, int, list[Value]]:
    """Returns the step of an event, the status of its session (0 without any), and its values.

    Raises:
        ValueError: the bytes are no event.
    """
    step = status = 0
    values: list[Value] = []
    for number, kind, value in fields(data):
        if (number, kind) == (2, VARINT) and isinstance(value, int):
            step = signed(value)
        elif (number, kind) == (5, BYTES) and isinstance(value, bytes):
            values += [value_of(inner) for of, k, inner in fields(value) if (of, k) == (1, BYTES)]
        elif (number, kind) == (7, BYTES) and isinstance(value, bytes):
            for of, k, inner in fields(value):
                status = int(inner) if (of, k) == (1, VARINT) else status
    return step, status, values


def value_of(data: int | bytes) -> Value:
    """Returns one value of a summary.

    Raises:
        ValueError: the bytes are no such value.
    """
    found = Value("")
    for number, kind, value in fields(_bytes(data)):
        match number, kind:
            case 1, 2:
                found = found._replace(tag=text(value))
            case 2, 5:
                found = found._replace(scalar=single(value), tensor=b"")
            case 8, 2:
                found = found._replace(tensor=_bytes(value), scalar=None)
            case ((4 | 5 | 6), 2):  # a picture, a histogram, a sound
                found = found._replace(tensor=b"", scalar=None)
            case 9, 2:
                plugin, content = _plugin_of(_bytes(value))
                found = found._replace(plugin=plugin, content=content)
    return found


def _plugin_of(metadata: bytes) -> tuple[str, bytes]:
    name, content = "", b""
    for number, kind, value in fields(metadata):
        if (number, kind) == (1, BYTES):
            for of, k, inner in fields(_bytes(value)):
                if (of, k) == (1, BYTES):
                    name = text(inner)
                elif (of, k) == (2, BYTES):
                    content = _bytes(inner)
    return name, content


def session_of(content: bytes) -> tuple[dict[str, FactValue], int]:
    """Returns the hyperparameters of a session that begins, and the status of one that ends.

    Raises:
        ValueError: the bytes are no data of the hparams plugin.
    """
    hparams: dict[str, FactValue] = {}
    status = 0
    for number, kind, value in fields(content):
        if (number, kind) == (3, BYTES):
            for of, k, inner in fields(_bytes(value)):
                if (of, k) == (1, BYTES):
                    hparams |= _entry(_bytes(inner))
        elif (number, kind) == (4, BYTES):
            for of, k, inner in fields(_bytes(value)):
                status = int(inner) if (of, k) == (1, VARINT) else status
    return hparams, status


def _entry(data: bytes) -> dict[str, FactValue]:
    """A hyperparameter by its name; a list or null states nothing."""
    name, found = "", list[FactValue]()
    for number, kind, value in fields(data):
        if (number, kind) == (1, BYTES):
            name = text(value)
        elif (number, kind) == (2, BYTES):
            found = list(_stated(_bytes(value)))
    return {name: found[-1]} if name and found else {}


def _stated(data: bytes) -> Iterator[FactValue]:
    for number, _, value in fields(data):
        if number == 2:  # number_value; a whole one was mostly an int
            whole = double(value)
            yield int(whole) if whole.is_integer() and abs(whole) < 2**53 else whole
        elif number == 3:  # string_value
            yield text(value)
        elif number == 4:  # bool_value
            yield bool(value)


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""
