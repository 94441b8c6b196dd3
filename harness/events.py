"""TensorBoard's event files: binary records of scalars by tag, read with tensorboard's own code.

events.out.tfevents.1732550000.host.123.0        (a file, or the folder of one run)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from harness.curve import Run
from harness.errors import ParseError
from harness.parse.collect import Collector
from harness.parse.names import Names
from harness.parse.reading import run_of

MARK = b"brain.Event:"
"""Stands in the first record of every event file."""
NAME = ".tfevents."
MAX_RECORD = 256 << 20
"""Bytes of one record."""
BLOCK_BYTES = 1 << 22
_HEAD, _FOOT = 12, 4
"""Bytes around a record: its length with a checksum before, a checksum after."""
_CUT = " ends inside a record: it was cut off, or is being written"


class TensorBoard:
    """Every tag of scalars is a series; steps are taken as they are written."""

    name = "tensorboard"
    example = "events.out.tfevents.* (tags become series: --metric train/loss)"


def is_event_file(start: bytes) -> bool:
    """Whether a file that starts with these 64 bytes holds events."""
    return MARK in start[:64]


def read_events(
    paths: Sequence[Path], *, source: str, seen: Callable[[bytes], None] = lambda _: None
) -> Run:
    """The run in the event files of one run, in the order in which they were begun.

    A record whose checksum is wrong is skipped; behind a length whose checksum is wrong nothing is
    read. `seen` gets the bytes of the files.

    Raises:
        ParseError: tensorboard is not installed, a file is no event file, or they hold no scalar.
        OSError: a file cannot be read.
    """
    tools = _tools(source)
    into = Collector()
    into.reader = TensorBoard.name
    names = Names()
    for path in paths:
        with path.open("rb") as file:
            reading = _Records(file, size=path.stat().st_size, seen=seen, checksum=tools.checksum)
            for data in reading:
                into.line += 1
                _take(data, tools, names, into)
            if reading.ended:
                into.note(reading.ended, about=path.name)
    return run_of(into, source=source, lines=max(1, into.line))  # a torn file is not an empty one


def _take(data: bytes | None, tools: _Tools, names: Names, into: Collector) -> None:
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
            into.record(name, rank=0, iteration=int(event.step), value=number)


class _Records:
    """The records of an event file: each is a length, the data, and a checksum of either.

    Those of a file of another `size` than when it was opened are read up to that size. `ended` says
    why the last one is not whole, empty if it is.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        size: int,
        seen: Callable[[bytes], None],
        checksum: Callable[[bytes], int],
    ) -> None:
        self._file, self._left = file, size
        self._seen, self._checksum = seen, checksum
        self.ended = ""
        self._at = 0

    def __iter__(self) -> Iterator[bytes | None]:
        while self._left and not self.ended:
            begun = self._at
            head = self._read(_HEAD)
            if len(head) < _HEAD:
                self.ended = _CUT
                return
            if not self._is_whole(head[:8], head[8:]):
                self.ended = f": damaged at byte {begun}; what follows is not read"
            elif (length := int.from_bytes(head[:8], "little")) > self._left - _FOOT:
                self.ended = _CUT
            elif length > MAX_RECORD:
                self.ended = (
                    f": a record of more than {MAX_RECORD >> 20} MiB at byte {begun}; what follows "
                    "is not read"
                )
            else:
                data, foot = self._read(length), self._read(_FOOT)
                if len(foot) < _FOOT:
                    self.ended = _CUT
                    return
                yield data if self._is_whole(data, foot) else None
        while self._left and self._read(BLOCK_BYTES):  # for the hash
            pass

    def _read(self, n: int) -> bytes:
        data = self._file.read(min(n, self._left))
        self._left -= len(data)
        self._at += len(data)
        self._seen(data)
        return data

    def _is_whole(self, data: bytes, stated: bytes) -> bool:
        return self._checksum(data) == int.from_bytes(stated, "little")


class _Tools(NamedTuple):
    """What tensorboard reads with: bytes to an event, its error, a checksum, and an array."""

    event: Callable[[bytes], Any]
    damage: type[Exception]
    checksum: Callable[[bytes], int]
    array: Callable[[Any], Any]


def _tools(source: str) -> _Tools:
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
    return _Tools(Event.FromString, DecodeError, masked_crc32c, make_ndarray)


def _scalar(value: Any, tools: _Tools) -> float | None:
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
