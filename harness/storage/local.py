"""Opens local logs: files, up to the length that they have when opened, and pipes."""

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
"""Seconds to wait for the first byte of a pipe, and for each further byte."""
TOTAL_S = 600.0
"""Seconds within which a pipe must end."""
_STDIN = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


def open_path(path: str) -> Stream:
    """Returns the stream of a file, a pipe, or standard input (`-`).

    A file is read up to its present length; bytes that are appended meanwhile are not read.

    Raises:
        ParseError: the path is a device, a socket or a terminal.
        OSError: the path cannot be opened.
    """
    if path == STDIN or path in _STDIN:
        return _checked(open(os.dup(0), "rb"), path)  # noqa: PTH123  (the reader closes it)
    _check_kind(Path(path).stat().st_mode, path)  # before opening: that can act on a device
    return _checked(open(path, "rb", opener=_at_once), path)


def _at_once(path: str, flags: int) -> int:
    """Opens a pipe without waiting for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _checked(file: IO[bytes], path: str) -> Stream:
    try:
        status = os.fstat(file.fileno())
        is_stdin = path == STDIN or path in _STDIN
        if is_stdin and file.isatty():
            msg = "standard input is a terminal; expected a log. Pipe the log into the command."
            raise ParseError(msg, source=path)
        if stat.S_ISFIFO(status.st_mode) or (is_stdin and stat.S_ISSOCK(status.st_mode)):
            return Pipe(file, path)
        _check_kind(status.st_mode, path)
        return _UpTo(file, status.st_size)
    except BaseException:
        file.close()
        raise


def _check_kind(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        what = "a socket" if stat.S_ISSOCK(mode) else "a device"
        msg = f"{what}, not a file; expected a log. Name the log file."
        raise ParseError(msg, source=path)


class _UpTo:
    """A file up to a length."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._left = length - self._file.tell()

    def read(self, n: int) -> bytes:
        """Returns the next bytes, at most `n`; empty at the end."""
        data = self._file.read(max(0, min(n, self._left)))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Pipe(Bounded):
    """A pipe, with a limit on the time to each next byte."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        super().__init__(path, total_s=TOTAL_S, advice="Write the log to a file and pass its path.")
        self._file = file
        self._poll = select.poll()
        self._poll.register(file.fileno(), select.POLLIN)

    def close(self) -> None:
        """Closes the pipe."""
        self._file.close()
        super().close()

    def _next(self, n: int) -> bytes:
        waited = time.monotonic() + min(PAUSE_S, max(0.0, self.left_s()))
        while (left := waited - time.monotonic()) > 0:
            if self._poll.poll(left * 1000):
                try:
                    return os.read(self._file.fileno(), n)
                except BlockingIOError:  # another reader took the bytes
                    time.sleep(0.01)
        if self.left_s() <= 0:
            raise self.too_long()
        raise self.error(f"nobody wrote into this pipe for {PAUSE_S:g} s")
