"""TensorBoard's event files: binary records of scalars by tag, read with tensorboard's own code.

events.out.tfevents.1732550000.host.123.0        (a file, or the folder of one run)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from harness.errors import ParseError
from harness.parse.collect import Collector
from harness.parse.line import Place
from harness.parse.names import Names


class TensorBoard:
    """Every tag of scalars is a series; steps are taken as they are written."""

    name = "tensorboard"
    example = "events.out.tfevents.* (tags become series: --metric train/loss)"


def take(data: bytes | None, tools: Tools, names: Names, into: Collector) -> None:
    """Takes the scalars of one record; None is one whose checksum is wrong."""
    if data is None:
        into.skip(into.line, f"record {into.line}", "its checksum is wrong: it was damaged")
        return
    try:
        event = tools.event(data)
    except tools.damage:
        into.skip(into.line, f"record {into.line}", "it is no event of TensorBoard")
        return
    for value in event.summary.value:
        number = _scalar(value, tools)
        if number is not None:
            into.claim(TensorBoard.name)
            name = names.of(str(value.tag))
            into.record(Place(int(event.step)), {name: number})


class Tools(NamedTuple):
    """What tensorboard reads with: bytes to an event, its error, a checksum, and an array."""

    event: Callable[[bytes], Any]
    damage: type[Exception]
    checksum: Callable[[bytes], int]
    array: Callable[[Any], Any]


def tools_of(source: str) -> Tools:
    """The functions of tensorboard.

    Raises:
        ParseError: tensorboard is not installed.
    """
    try:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import (  # noqa: PLC0415
            masked_crc32c,
        )
        from tensorboard.util.tensor_util import make_ndarray  # noqa: PLC0415
    except ImportError as error:
        msg = (
            "a TensorBoard event file, which tensorboard reads; install it with: "
            "pip install 'ccnet-port-harness[tensorboard]'"
        )
        raise ParseError(msg, source=source) from error
    return Tools(Event.FromString, DecodeError, masked_crc32c, make_ndarray)


def _scalar(value: Any, tools: Tools) -> float | None:
    """The number in a summary value; None if it is a picture, a histogram or a text."""
    plugin = value.metadata.plugin_data.plugin_name
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if plugin not in {"", "scalars"} or not value.HasField("tensor"):
        return None
    if any(dimension.size != 1 for dimension in value.tensor.tensor_shape.dim):
        return None  # an array of the size that is stated would be made, whatever the record holds
    try:
        array = tools.array(value.tensor)
        return float(array.item()) if array.size == 1 and array.dtype.kind in "fiu" else None
    except (TypeError, ValueError, OverflowError):
        return None
