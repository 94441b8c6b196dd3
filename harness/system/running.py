"""Runs a command line so that its exit status is a verdict's, 2 or 130, whatever happens.

Status 1 means `fail`, and so does nothing else: an error of this program, of a library, of usage
or of the screen ends with 2 and one line. A reader of standard output that goes away changes no
verdict; what is left to print is thrown away.
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
"""The variable that shows where an internal error came from."""
LONGEST = 300
"""Characters of a foreign message that are shown."""


class Output(io.RawIOBase):
    """A file descriptor that takes everything; `error` is the first thing that it refused."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.error: OSError | None = None

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self.descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        """Writes bytes, or drops them after the first error."""
        view = memoryview(data)
        size = int(view.nbytes)
        while self.error is None and view.nbytes:
            try:
                view = view[os.write(self.descriptor, view) :]
            except OSError as error:
                self.error = error
        return size


def run(load: Callable[[], Callable[..., object]]) -> int:
    """The exit status of the command line that `load` imports.

    An error of a user is one line on standard error. An internal error names itself, and shows its
    traceback where the variable HARNESS_TRACEBACK is set.
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
    except BaseException as error:  # a status 1 would mean that a port failed
        say(f"error: {described(error)}")
        status = EXIT_ERROR
    lost = _lost(out)
    if lost:
        say(f"error: standard output: {lost}. What was printed is not whole.")
    return EXIT_ERROR * bool(lost) if status is None else status


def described(error: BaseException) -> str:
    """An error in one line: as its author wrote it for a user, or as an internal error."""
    if isinstance(error, HarnessError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        return shown(f"{where}{error.strerror or error}. Check path and permission.")
    return internal(error)


def internal(error: BaseException) -> str:
    """An error of this program in one line that says how to report it."""
    what = shown(f"{type(error).__name__}: {str(error)[:LONGEST]}")
    if os.environ.get(TRACEBACK):
        say("".join(traceback.format_exception(error)).rstrip())
    return (
        f"internal error in harness {tool_version()}: {what}; please report it with what "
        f"{TRACEBACK}=1 shows"
    )


def say(text: str) -> None:
    """Writes a line to standard error, or nothing where that is closed."""
    try:
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # closed by whoever started this
        return


def _called(load: Callable[[], Callable[..., object]]) -> int | None:
    """The status that a command chose, None of one that has no verdict; bad usage is shown."""
    try:
        status = load()(standalone_mode=False)
    except Exception as error:
        show = getattr(error, "show", None)
        if callable(show) and hasattr(error, "exit_code"):  # typer's: bad usage, or no arguments
            show()
            return EXIT_ERROR
        if type(error).__name__ == "Abort":
            return EXIT_INTERRUPTED
        raise
    return status if isinstance(status, int) else None


def _take_closed_streams() -> None:
    """Opens what is closed of the three standard descriptors, lest a file of ours gets it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _patient(name: str) -> Output | None:
    """Makes a standard stream one that never raises; not where a test has put its own there."""
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
    """Why a part of what was printed is lost; empty if it is not, or if nobody reads it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return ""
    if out is None or out.error is None or isinstance(out.error, BrokenPipeError):
        return ""
    return out.error.strerror or str(out.error)
