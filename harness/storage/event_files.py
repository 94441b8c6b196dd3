"""TensorBoard's event files, cut into their records and checked one by one.

events.out.tfevents.1732550000.host.123.0        (a file, or the folder of one run)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.finish import run_of
from harness.parse.formats.tensorboard import TensorBoard, take, tools_of
from harness.parse.names import Names

MARK = b"brain.Event:"
"""Stands in the first record of every event file."""
NAME = ".tfevents."
MAX_RECORD = 256 << 20
"""Bytes of one record."""
BLOCK_BYTES = 1 << 22
_HEAD, _FOOT = 12, 4
"""Bytes around a record: its length with a checksum before, a checksum after."""
_CUT = " ends inside a record: it was cut off, or is being written"


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
    tools = tools_of(source)
    into = Collector()
    into.reader = TensorBoard.name
    names = Names()
    for path in paths:
        with path.open("rb") as file:
            reading = _Records(file, size=path.stat().st_size, seen=seen, checksum=tools.checksum)
            for data in reading:
                into.line += 1
                take(data, tools, names, into)
                into.write()
            if reading.ended:
                into.note(reading.ended, about=path.name)
    lines = max(1, into.line)  # a torn file is not an empty one
    return run_of(into, source=source, lines=lines, known=[TensorBoard.name])


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
