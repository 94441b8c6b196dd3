"""Ends a process together with the processes that it started, and those that it left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

POLL_S = 0.05
SETTLE_S = 1.0
"""Seconds in which the processes that a command leaves may end by themselves."""
_SET_CHILD_SUBREAPER = 36
"""The number of the request to Linux, from its <sys/prctl.h>."""


def end_tree(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """Asks a process, the leader of its group, to end, and kills what is left after `grace_s`.

    The request (SIGTERM) goes to its group. What is left of the group and of its descendants is
    killed; descendants outside the group are known on Linux only.
    """
    family = descendants(process.pid)
    _signal_group(process.pid, signal.SIGTERM)
    until = time.monotonic() + grace_s
    try:
        while process.poll() is None and time.monotonic() < until:
            family |= descendants(process.pid)
            time.sleep(POLL_S)
    finally:  # also if a second interrupt ends the wait
        family |= descendants(process.pid)
        _signal_group(process.pid, signal.SIGKILL)
        for pid, started in family.items():
            if _started(pid) == started:  # a number that was not given to another process
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent ends. Linux only."""
    with contextlib.suppress(OSError, AttributeError):  # another system
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_left(*, grace_s: float) -> int:
    """Ends all processes below this one, and returns how many did not end by themselves.

    They are asked (SIGTERM) after `SETTLE_S`, and killed `grace_s` after that. It needs
    `adopt_orphans` before, and does nothing on systems other than Linux.
    """
    until = time.monotonic() + SETTLE_S
    while (left := _running()) and time.monotonic() < until:
        time.sleep(POLL_S)
    count = len(left)
    _signal_all(left, signal.SIGTERM)
    until = time.monotonic() + grace_s
    while (left := _running()) and time.monotonic() < until:
        time.sleep(POLL_S)
    while left:  # a process that is killed may have started another one
        _signal_all(left, signal.SIGKILL)
        time.sleep(POLL_S)
        left = _running()
    return count


def _running() -> list[int]:
    """Returns the processes below this one, and reaps its children that have ended."""
    below = descendants(os.getpid())
    for pid in below:
        with contextlib.suppress(OSError):  # not a child, but one of a child
            os.waitpid(pid, os.WNOHANG)
    return [pid for pid in below if (fields := _fields(pid)) and fields[0] not in "ZX"]


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def descendants(pid: int) -> dict[int, str]:
    """Returns the processes below a process, with when each started; empty if not on Linux."""
    children: dict[int, list[int]] = {}
    started: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(folder.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(folder.name))
            started[int(folder.name)] = fields[19]
    below, open_ones = {}, [pid]
    while open_ones:
        for child in children.get(open_ones.pop(), ()):
            below[child] = started[child]
            open_ones.append(child)
    return below


def _started(pid: int) -> str:
    fields = _fields(pid)
    return fields[19] if fields else ""


def _fields(pid: int) -> list[str]:
    """Returns the fields of a process from its state on; empty if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name before may hold blanks and brackets


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(leader, number)
