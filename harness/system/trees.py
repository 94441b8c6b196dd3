"""Ends a process together with the processes that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

POLL_S = 0.05


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
