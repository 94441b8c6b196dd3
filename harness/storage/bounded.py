"""The base class of streams from servers and pipes, with bounds on bytes and time."""

from __future__ import annotations

import io
import time
from typing import Any, Protocol

from harness.errors import ParseError

MAX_BYTES = 8 << 30
"""Most bytes that are read from a URL, a pipe or standard input."""


class Stream(Protocol):
    """A source of the bytes of a log."""

    def read(self, n: int, /) -> bytes | None:
        """Returns the next bytes, at most `n`; empty at the end."""

    def close(self) -> None:
        """Releases the source."""


class Bounded(io.RawIOBase):
    """A stream that raises an error when it exceeds its bounds.

    `advice` is the remedy that the error names. `note` is a remark for the reader of the log. A
    sub-class implements `_next`.
    """

    def __init__(self, source: str, *, total_s: float, advice: str) -> None:
        self.source = source
        self.advice = advice
        self.total_s = total_s
        self.count = 0
        self.note = ""
        self._deadline = time.monotonic() + total_s

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads the next bytes into `buffer`, and returns their number; 0 at the end.

        Raises:
            ParseError: the stream has too many bytes or took too long.
        """
        data = self._next(len(buffer))
        self.count += len(data)
        if self.count > MAX_BYTES:
            raise self.error(f"more than {size(MAX_BYTES)}")
        if data and self.left_s() <= 0:
            raise self.too_long()
        buffer[: len(data)] = data
        return len(data)

    def left_s(self) -> float:
        """Returns the seconds left until the time limit."""
        return self._deadline - time.monotonic()

    def too_long(self) -> ParseError:
        """Returns the error of a stream that exceeds its time limit."""
        return self.error(f"did not end within {self.total_s:g} s")

    def error(self, what: str) -> ParseError:
        """Returns an error with the advice of this stream."""
        return ParseError(f"{what}. {self.advice}", source=self.source)

    def _next(self, n: int) -> bytes:
        """Returns the next bytes, at most `n`; empty at the end."""
        raise NotImplementedError


def size(n: int) -> str:
    """Returns a number of bytes with a unit: `8 GiB`."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if n >= 1 << shift:
            return f"{n / (1 << shift):.3g} {unit}"
    return f"{n} bytes"


def full(stream: Stream, n: int) -> bytes:
    """Returns the next `n` bytes, fewer only at the end.

    A single read from a pipe or a server may return fewer.
    """
    data = stream.read(n) or b""
    if not data or len(data) == n:
        return data
    parts, missing = [data], n - len(data)
    while missing and (data := stream.read(missing) or b""):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
