"""Packed logs, unpacked as they are read: up to a number of bytes, and to a time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator
from typing import IO, Any

from harness.errors import ParseError
from harness.storage.bounded import Stream, full, size

FLOOR_BYTES = 64 << 20
"""Bytes that any packed log may have. They are unpacked before the first of them is read."""
RATIO = 100
"""Bytes that a packed byte may become beyond it. Text of a log packs 5 to 30 to one."""
AHEAD_BYTES = 1 << 16
"""Packed bytes that are read ahead: few, so that their number tells what was unpacked of them."""
PATIENCE_S = 60.0
"""Seconds of unpacking in which a line must end."""


def unpacked(
    raw: Stream, kind: str, *, seen: Callable[[Any], None], source: str, block: int
) -> Generator[bytes, None, None]:
    """The blocks of what is packed as `kind`, a suffix such as `.gz`; `seen` gets what is read.

    Raises:
        ParseError: nothing can unpack it, or it becomes too much or takes too long.
        Others of the library that unpacks it: it is damaged.
    """
    from fsspec.compression import compr  # noqa: PLC0415  (only packed logs need it)
    from fsspec.utils import infer_compression  # noqa: PLC0415

    name = infer_compression(f"a{kind}")
    if name not in compr:
        msg = f"no decompressor for {kind} is installed; install zstandard"
        raise ParseError(msg, source=source)
    packed = _Packed(raw, seen, source)
    buffered = io.BufferedReader(packed, min(block, AHEAD_BYTES))
    content: IO[bytes] = compr[name](buffered, mode="rb")
    count = 0
    held: list[bytes] = []
    while data := packed.timed(lambda: content.read(block)):
        count += len(data)
        if count > max(FLOOR_BYTES, RATIO * packed.count):
            msg = (
                f"{packed.count} packed bytes become more than {size(count - len(data))}, over "
                f"{RATIO} to one, as no log does. Unpack it yourself and give that."
            )
            raise ParseError(msg, source=source)
        held.append(data)
        if count > FLOOR_BYTES:  # before, an archive that becomes too much would take minutes
            yield from held
            held.clear()
    yield from held
    while buffered.read(1 << 20):  # what a decompressor leaves behind counts for the hash, too
        pass


class _Packed(io.RawIOBase):
    """A packed file, whose bytes are seen as they are unpacked."""

    def __init__(self, raw: Stream, seen: Callable[[Any], None], source: str) -> None:
        self._raw = raw
        self._seen = seen
        self._source = source
        self._spent = 0.0
        self._begun: float | None = None
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._check_time()
        begun = time.monotonic()
        data = full(self._raw, len(buffer))
        if self._begun is not None:  # waiting for a server is no unpacking
            self._begun += time.monotonic() - begun
        buffer[: len(data)] = data
        self._seen(data)
        self.count += len(data)
        return len(data)

    def timed(self, read: Callable[[], bytes]) -> bytes:
        """What is read, unless unpacking has taken too long since the last end of a line."""
        self._begun = time.monotonic()
        data = read()
        self._check_time()
        ended = b"\n" in data or b"\r" in data
        self._spent = 0.0 if ended else self._spent + time.monotonic() - self._begun
        self._begun = None
        return data

    def _check_time(self) -> None:
        spent = self._spent
        if self._begun is not None:
            spent += time.monotonic() - self._begun
        if spent > PATIENCE_S:
            msg = (
                f"no line ends in {PATIENCE_S:g} s of unpacking. Unpack it yourself, look at it, "
                "and give that."
            )
            raise ParseError(msg, source=self._source)
