"""Decompresses logs while they are read, with bounds on bytes and time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator
from typing import IO, Any

from harness.errors import ParseError
from harness.extras import needs
from harness.storage.bounded import Stream, full, size

FLOOR_BYTES = 64 << 20
"""Decompressed size that any log may have. Parsing begins only after this size, or at the end."""
RATIO = 100
"""Largest ratio of decompression beyond that size. The text of logs compresses by 5 to 30."""
AHEAD_BYTES = 1 << 16
"""Compressed bytes that are read ahead; few, so that the ratio is measured on the bytes in use."""
ZSTD = "backports.zstd"
"""Reads .zst before Python 3.14, whose standard library does. Other kinds need no package."""
PATIENCE_S = 60.0
"""Seconds of decompression within which a line must end."""


def unpacked(
    raw: Stream, kind: str, *, seen: Callable[[Any], None], source: str, block: int
) -> Generator[bytes, None, None]:
    """Yields the decompressed blocks of `raw`; `seen` is called with the compressed bytes.

    `kind` is the suffix of the compression, such as `.gz`.

    Raises:
        ParseError: no decompressor is installed, or a bound is exceeded.
        Errors of the decompressor: the file is damaged.
    """
    from fsspec.compression import compr  # noqa: PLC0415  (only packed logs need it)
    from fsspec.utils import infer_compression  # noqa: PLC0415

    name = infer_compression(f"a{kind}")
    if name is None:  # fsspec registers the kinds whose decompressor is installed
        msg = f"a log packed as {kind}, which {needs(ZSTD)}"
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
                f"{packed.count} compressed bytes give more than {size(count - len(data))}, a "
                f"ratio above {RATIO}, which no log has. Decompress it and pass the result."
            )
            raise ParseError(msg, source=source)
        held.append(data)
        if count > FLOOR_BYTES:  # parsing a bomb before its ratio shows would take minutes
            yield from held
            held.clear()
    yield from held
    while buffered.read(1 << 20):  # the hash covers bytes after the end of the compressed stream
        pass


class _Packed(io.RawIOBase):
    """A compressed file that reports its bytes and measures the time of decompression."""

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
        if self._begun is not None:  # the time spent waiting for a server does not count
            self._begun += time.monotonic() - begun
        buffer[: len(data)] = data
        self._seen(data)
        self.count += len(data)
        return len(data)

    def timed(self, read: Callable[[], bytes]) -> bytes:
        """Returns the data of `read`, unless no line has ended for too long."""
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
                f"no line ends within {PATIENCE_S:g} s of decompression. Decompress it, look at "
                "it, and pass the result."
            )
            raise ParseError(msg, source=self._source)
