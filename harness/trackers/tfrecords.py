"""Cuts a file of TFRecord, such as TensorBoard's event files, into its records, and checks each.

length (8 bytes), its checksum (4), the data, their checksum (4)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from harness.parse.crc32c import crc32c, masked

MAX_RECORD = 256 << 20
"""Bytes of one record."""
BLOCK_BYTES = 1 << 22
MAX_HEADS = 1 << 16
"""Heads of records that are remembered as whole: equal lengths have equal heads."""
_HEAD, _FOOT = 12, 4
"""Bytes around a record: its length with a checksum before, a checksum after."""
CUT = " ends inside a record: it was cut off, or is being written"

_Span = tuple[int, int]


class Records:
    """The records of a file; None for one whose checksum is wrong.

    Behind a length whose checksum is wrong nothing is read. A file is read up to the `size` that it
    had when it was opened. `ended` says why the last record is not whole, empty if it is. `seen`
    gets the bytes of the file.
    """

    def __init__(self, file: IO[bytes], *, size: int, seen: Callable[[bytes], None]) -> None:
        self._file, self._left, self._seen = file, size, seen
        self._whole: set[bytes] = set()
        self._at = 0
        self.ended = ""

    def __iter__(self) -> Iterator[bytes | None]:
        data, need = b"", BLOCK_BYTES
        while not self.ended:
            block = self._read(max(need, BLOCK_BYTES))
            data += block
            spans, used, need = self._spans(data)
            yield from _checked(data, spans)
            data = data[used:]
            self._at += used
            if not self._left or not block:
                self.ended = self.ended or (CUT if data else "")
                break
        while self._left and self._read(BLOCK_BYTES):  # for the hash
            pass

    def _spans(self, data: bytes) -> tuple[list[_Span], int, int]:
        """Returns the start and length of each whole record, the bytes used, and those lacking."""
        spans: list[_Span] = []
        at, end = 0, len(data)
        while end - at >= _HEAD:
            length = int.from_bytes(data[at : at + 8], "little")
            if not self._is_whole(data[at : at + _HEAD]):
                self.ended = f": damaged at byte {self._at + at}; what follows is not read"
                break
            after = at + _HEAD + length + _FOOT
            if after > end + self._left:
                self.ended = CUT
                break
            if length > MAX_RECORD:
                self.ended = (
                    f": a record of more than {MAX_RECORD >> 20} MiB at byte {self._at + at}; "
                    "what follows is not read"
                )
                break
            if after > end:
                return spans, at, after - end
            spans.append((at + _HEAD, length))
            at = after
        return spans, at, 0

    def _is_whole(self, head: bytes) -> bool:
        if head in self._whole:
            return True
        right = _checksums(head, [(0, 8)])[0] == int.from_bytes(head[8:], "little")
        if right and len(self._whole) < MAX_HEADS:
            self._whole.add(head)
        return right

    def _read(self, n: int) -> bytes:
        data = self._file.read(min(n, self._left))
        self._left -= len(data)
        self._seen(data)
        return data


def _checked(data: bytes, spans: list[_Span]) -> Iterator[bytes | None]:
    for (at, length), crc in zip(spans, _checksums(data, spans), strict=True):
        end = at + length
        right = crc == int.from_bytes(data[end : end + _FOOT], "little")
        yield data[at:end] if right else None


def _checksums(data: bytes, spans: list[_Span]) -> list[int]:
    places = np.array(spans, dtype=np.int64).reshape(-1, 2)
    sums: list[int] = masked(crc32c(data, places[:, 0], places[:, 1])).tolist()
    return sums
