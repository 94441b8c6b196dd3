"""Bytes that others send, up to a number of bytes and to a time: the base of what is no file."""

from __future__ import annotations

import io
import time
from typing import Any, Protocol

from harness.errors import ParseError

MAX_BYTES = 8 << 30
"""Bytes that are taken from a URL, a pipe or standard input."""


class Stream(Protocol):
    """What the bytes of a log are read from."""

    def read(self, n: int, /) -> bytes | None:
        """The next bytes, `n` at most; none at the end."""

    def close(self) -> None:
        """Lets it go."""


class Bounded(io.RawIOBase):
    """A stream that ends with an error where it exceeds its bounds.

    `advice` says what to do then. A sub-class gives `_next`.
    """

    def __init__(self, source: str, *, total_s: float, advice: str) -> None:
        self.source = source
        self.advice = advice
        self.total_s = total_s
        self.count = 0
        self.note = ""
        self._deadline = time.monotonic() + total_s

    def readable(self) -> bool:
        """It is read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills in the next bytes, and returns their number; 0 at the end.

        Raises:
            ParseError: more than it may have, or it took longer than it may.
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
        """Seconds until it has taken too long."""
        return self._deadline - time.monotonic()

    def too_long(self) -> ParseError:
        """It took more than the time that it has."""
        return self.error(f"not read to its end within {self.total_s:g} s")

    def error(self, what: str) -> ParseError:
        """An error that says what to do."""
        return ParseError(f"{what}. {self.advice}", source=self.source)

    def _next(self, n: int) -> bytes:
        """The next bytes, `n` at most; none at the end."""
        raise NotImplementedError


def size(n: int) -> str:
    """A number of bytes in words: `8 GiB`."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if n >= 1 << shift:
            return f"{n / (1 << shift):.3g} {unit}"
    return f"{n} bytes"


def full(stream: Stream, n: int) -> bytes:
    """The next `n` bytes, fewer only at the end: a pipe or a server may give a few at a time."""
    data = stream.read(n) or b""
    if not data or len(data) == n:
        return data
    parts, missing = [data], n - len(data)
    while missing and (data := stream.read(missing) or b""):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
