"""Runs a command line so that its exit status is always a verdict's, 2 or 130.

Only a verdict `fail` gives status 1. An error of this program, of a library, of usage or of the
output ends with status 2 and one line. If the reader of standard output goes away, the verdict
stays the same and the rest of the output is dropped.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from harness.errors import HarnessError
from harness.log.shown import shown
from harness.report import verdicts
from harness.version import tool_version

EXIT_ERROR = verdicts.row("error").exit_status
EXIT_INTERRUPTED = 130
TRACEBACK = "HARNESS_TRACEBACK"
"""Environment variable: if set, an internal error prints its traceback."""
LONGEST = 300
"""Characters of another library's message that are shown."""


class Output(io.RawIOBase):
    """A stream to a file descriptor that never raises. `error` is the first error of a write."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.error: OSError | None = None

    def writable(self) -> bool:
        """Returns True."""
        return True

    def fileno(self) -> int:
        """Returns the file descriptor."""
        return self.descriptor

    def isatty(self) -> bool:
        """Returns whether the descriptor is a terminal."""
        return os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        """Writes bytes, or drops them after the first error. Returns their number."""
        view = memoryview(data)
        size = int(view.nbytes)
        while self.error is None and view.nbytes:
            try:
                view = view[os.write(self.descriptor, view) :]
            except OSError as error:
                self.error = error
        return size


def run(load: Callable[[], Callable[..., object]]) -> int:
    """Runs the command line that `load` imports, and returns its exit status.

    A user's error is one line on standard error. An internal error says so, and prints its
    traceback if the variable HARNESS_TRACEBACK is set.
    """
    _take_closed_streams()
    out = _patient("stdout")
    _patient("stderr")
    status: int | None
    try:
        status = _called(load)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else EXIT_ERROR
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except BaseException as error:  # Python would exit with 1, which means that a port failed
        say(f"error: {described(error)}")
        status = EXIT_ERROR
    lost = _lost(out)
    if lost:
        say(f"error: standard output: {lost}. The printed output is incomplete.")
    return EXIT_ERROR * bool(lost) if status is None else status


def described(error: BaseException) -> str:
    """Returns an error as one line: its message for a user, or that of an internal error."""
    if isinstance(error, HarnessError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        return shown(f"{where}{error.strerror or error}. Check the path and its permissions.")
    return internal(error)


def internal(error: BaseException) -> str:
    """Returns an internal error as one line that says how to report it."""
    what = shown(f"{type(error).__name__}: {str(error)[:LONGEST]}")
    if os.environ.get(TRACEBACK):
        say("".join(traceback.format_exception(error)).rstrip())
    return (
        f"internal error in harness {tool_version()}: {what}; please report it with the output "
        f"of {TRACEBACK}=1"
    )


def say(text: str) -> None:
    """Writes a line to standard error, or nothing if that is closed."""
    try:
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # the parent process closed it
        return


def _called(load: Callable[[], Callable[..., object]]) -> int | None:
    """Returns the exit status of a command, None if it has none. Shows the error of bad usage."""
    try:
        status = load()(standalone_mode=False)
    except Exception as error:
        show = getattr(error, "show", None)
        if callable(show) and hasattr(error, "exit_code"):  # typer's error of bad usage
            show()
            return EXIT_ERROR
        if type(error).__name__ == "Abort":
            return EXIT_INTERRUPTED
        raise
    return status if isinstance(status, int) else None


def _take_closed_streams() -> None:
    """Opens standard descriptors that are closed, so that no file of ours gets their number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system picks the lowest free number: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _patient(name: str) -> Output | None:
    """Replaces a standard stream by one that never raises, unless a test replaced it already."""
    stream = getattr(sys, name)
    if stream is not getattr(sys, f"__{name}__") or not isinstance(stream, io.TextIOWrapper):
        return None
    raw = Output(stream.fileno())
    patient = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=raw.isatty() or name == "stderr",
    )
    setattr(sys, name, patient)
    return raw


def _lost(out: Output | None) -> str:
    """Returns why output was lost; empty if none was, or if the reader went away."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return ""
    if out is None or out.error is None or isinstance(out.error, BrokenPipeError):
        return ""  # a broken pipe: the reader, such as `head`, has all that it wants
    return out.error.strerror or str(out.error)
