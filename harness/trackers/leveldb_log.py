"""The records of a file in LevelDB's log format, as trackers write it: blocks of 32 KiB.

A file begins with 7 bytes of the tracker's own. Each part of a record has its CRC-32, its length,
and whether it is the whole record or the first, a middle or the last part of it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO

HEAD_BYTES = 7
"""Bytes at the start of the file, and before each part of a record."""
BLOCK_BYTES = 32_768
MAX_RECORD = 256 << 20
"""Bytes of one record."""
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_CUT = "the file ends inside a record: it was cut off, or is being written"


class Records:
    """Iterates over the records of a file that is open behind its first 7 bytes.

    A damaged part ends its block, and the record it belongs to is left out. `damaged` counts such
    blocks. `cut` says that the last record is not whole; it is empty if it is.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.damaged = 0
        self.cut = ""

    def __iter__(self) -> Iterator[bytes]:
        record: bytes | None = None  # the parts of a record that goes on
        size = BLOCK_BYTES - HEAD_BYTES
        while block := self._file.read(size):
            for kind, data in self._parts(block, last=len(block) < size):
                if kind in {_WHOLE, _FIRST}:
                    record = data
                elif record is not None:
                    record = record + data if len(record) <= MAX_RECORD else None
                if kind in {_WHOLE, _LAST} and record is not None:
                    yield record
                    record = None
            if self._broken:
                record = None
            size = BLOCK_BYTES
        if record is not None:
            self.cut = _CUT

    def _parts(self, block: bytes, *, last: bool) -> Iterator[tuple[int, bytes]]:
        """Yields the kind and the data of each part of a block; it may be shorter at the end."""
        self._broken = False
        at = 0
        while at + HEAD_BYTES <= len(block):
            checksum, length, kind = struct.unpack_from("<IHB", block, at)
            if not (checksum or length or kind):
                return  # filled with zeros up to the end
            begin = at + HEAD_BYTES
            data = block[begin : begin + length]
            if last and len(data) < length and _WHOLE <= kind <= _LAST:
                self.cut = _CUT
                return
            expected = zlib.crc32(data, zlib.crc32(bytes([kind])))
            if len(data) < length or not _WHOLE <= kind <= _LAST or checksum != expected:
                self.damaged += 1
                self._broken = True
                return
            yield kind, data
            at = begin + length
        if last and at < len(block):
            self.cut = _CUT
