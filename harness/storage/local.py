"""Local logs: files as long as they are when they are opened, pipes that somebody writes to."""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path
from typing import IO

from harness.errors import ParseError
from harness.storage.bounded import Bounded, Stream
from harness.storage.places import STDIN

PAUSE_S = 30.0
"""Seconds that are waited for the first byte of a pipe, and for each next one."""
TOTAL_S = 600.0
"""Seconds in which a pipe must have been read."""
_STDIN = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


def open_path(path: str) -> Stream:
    """The bytes of a file, a pipe, or standard input (`-`).

    A file is read up to the length that it has now: what is written meanwhile is not read.

    Raises:
        ParseError: a device, a socket or a terminal.
        OSError: it cannot be opened.
    """
    if path == STDIN or path in _STDIN:
        return _checked(open(os.dup(0), "rb"), path)  # noqa: PTH123  (closed by whoever reads)
    _check_kind(Path(path).stat().st_mode, path)  # opening a device may do things
    return _checked(open(path, "rb", opener=_at_once), path)


def _at_once(path: str, flags: int) -> int:
    """Opens a pipe even where nobody writes to it yet."""
    return os.open(path, flags | os.O_NONBLOCK)


def _checked(file: IO[bytes], path: str) -> Stream:
    try:
        found = os.fstat(file.fileno())
        is_stdin = path == STDIN or path in _STDIN
        if is_stdin and file.isatty():
            msg = "standard input is a terminal; expected a log. Pipe the log into the command."
            raise ParseError(msg, source=path)
        if stat.S_ISFIFO(found.st_mode) or (is_stdin and stat.S_ISSOCK(found.st_mode)):
            return Pipe(file, path)
        _check_kind(found.st_mode, path)
        return _UpTo(file, found.st_size)
    except BaseException:
        file.close()
        raise


def _check_kind(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        what = "a socket" if stat.S_ISSOCK(mode) else "a device"
        msg = f"{what}, not a file; expected a log. Give the log file."
        raise ParseError(msg, source=path)


class _UpTo:
    """A file up to a length."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._left = length - self._file.tell()

    def read(self, n: int) -> bytes:
        """The next bytes, `n` at most; none at the end."""
        data = self._file.read(max(0, min(n, self._left)))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Lets the file go."""
        self._file.close()


class Pipe(Bounded):
    """What somebody writes into a pipe, as long as the next byte does not take too long."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        super().__init__(
            path, total_s=TOTAL_S, advice="Write the log to a file first and give its path."
        )
        self._file = file
        self._poll = select.poll()
        self._poll.register(file.fileno(), select.POLLIN)

    def close(self) -> None:
        """Lets the pipe go."""
        self._file.close()
        super().close()

    def _next(self, n: int) -> bytes:
        waited = time.monotonic() + min(PAUSE_S, max(0.0, self.left_s()))
        while (left := waited - time.monotonic()) > 0:
            if self._poll.poll(left * 1000):
                try:
                    return os.read(self._file.fileno(), n)
                except BlockingIOError:  # another reader took it
                    time.sleep(0.01)
        if self.left_s() <= 0:
            raise self.too_long()
        raise self.error(f"nobody wrote into this pipe for {PAUSE_S:g} s")
