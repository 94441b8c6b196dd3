"""Runs a part of this package in a separate process, as if it were this one."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from harness.errors import HarnessError

PATIENCE_S = 2.0
"""Seconds that a child has to end after an interrupt before it is interrupted again."""
_BY_SIGNAL = 128
"""A shell gives a process that a signal ended this status plus the signal's number."""


def run_module(module: str, words: Sequence[str], *, needs: str, extra: str) -> int:
    """Returns the exit status of `python -m MODULE WORDS...`, which shares our streams.

    Ctrl-C reaches the child, which may end in its own way; so does a request to terminate.

    Raises:
        HarnessError: the package `needs` is not installed here.
    """
    if importlib.util.find_spec(needs) is None:
        msg = (
            f"`harness locate {words[0]}` needs {needs}, which is not installed in "
            f'{sys.executable}; install it: pip install "ccnet-port-harness[{extra}]"'
        )
        raise HarnessError(msg)
    sys.stdout.flush()
    command = [sys.executable, "-m", module, *words]
    with subprocess.Popen(command) as child, _forwarded(child):  # noqa: S603  (the user's own words)
        status = _ended(child)
    return status if status >= 0 else _BY_SIGNAL - status


def _ended(child: subprocess.Popen[bytes]) -> int:
    """Waits for the child's end, also after an interrupt.

    A terminal interrupts the child as well. An interrupt that was sent to us alone is passed on
    after some seconds.
    """
    try:
        return child.wait()
    except KeyboardInterrupt:
        pass
    try:
        return child.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
    except KeyboardInterrupt:
        child.terminate()
    return child.wait()


@contextlib.contextmanager
def _forwarded(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Passes a request to terminate on to the child while it runs."""

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        child.terminate()

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not in the main thread: nothing to forward there
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
