"""Cuts the transaction log of Weights & Biases into its records, and checks each.

run-abc1.wandb: 7 bytes of head, then blocks of 32 KiB with chunks: checksum (4 bytes), length (2),
kind (1: whole, 2: first, 3: middle, 4: last chunk of a record), data

LevelDB's format, with the plain CRC-32 over kind and data, checked against wandb 0.31 (and the
format's version 0, which has been the same since wandb 0.10).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import IO

HEAD = b":W&B\xe1\xbe\x00"
"""What a log begins with: a name, a number, and the version of the format."""
BLOCK = 1 << 15
MAX_RECORD = 256 << 20
"""Bytes of one record."""
_CHUNK = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
CUT = "ends inside a record: it was cut off, or is being written"


class Log:
    """The records of a transaction log; None where damage hides one or several.

    Behind damage, reading goes on with the next block, as LevelDB's own reader does. `ended` says
    why the last record is not whole, empty if it is. `seen` gets the bytes of the file, which is
    read up to `size`, its length when it was opened.
    """

    def __init__(self, file: IO[bytes], *, size: int, seen: Callable[[bytes], None]) -> None:
        self._file, self._left, self._seen = file, size, seen
        self._parts: list[bytes] = []
        self._size = 0
        self.ended = ""

    def __iter__(self) -> Iterator[bytes | None]:
        at = len(HEAD)
        while block := self._file.read(min(BLOCK, self._left)):
            self._left -= len(block)
            self._seen(block)
            self.ended = ""
            yield from self._records(block, at)
            at = 0
        if self._parts:
            self.ended = CUT

    def _records(self, block: bytes, at: int) -> Iterator[bytes | None]:
        while len(block) - at >= _CHUNK:
            crc = int.from_bytes(block[at : at + 4], "little")
            length = int.from_bytes(block[at + 4 : at + 6], "little")
            kind = block[at + 6]
            end = at + _CHUNK + length
            if not any(block[at : at + _CHUNK]):  # room that the system gave and nobody filled
                return
            if end > len(block) and not self._left and len(block) < BLOCK:
                self.ended = CUT
                return
            data = block[at + _CHUNK : end]
            if end > len(block) or zlib.crc32(data, zlib.crc32(block[at + 6 : at + 7])) != crc:
                self._parts.clear()
                yield None
                return
            yield from self._chunk(kind, data)
            at = end
        if any(block[at:]) and not self._left and len(block) < BLOCK:
            self.ended = CUT

    def _chunk(self, kind: int, data: bytes) -> Iterator[bytes | None]:
        begins = kind in {_WHOLE, _FIRST}
        if begins == bool(self._parts) or kind > _LAST or kind < _WHOLE:
            if self._parts or begins or kind > _LAST:
                yield None  # the rest of the record before is missing
            self._parts.clear()
            if not begins:
                return
        self._parts.append(data)
        self._size = len(data) if begins else self._size + len(data)
        if self._size > MAX_RECORD:
            self._parts.clear()
            yield None
        elif kind in {_WHOLE, _LAST}:
            record = b"".join(self._parts)
            self._parts.clear()
            yield record
