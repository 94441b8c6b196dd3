"""Kills a worker or a driver of a check in the middle of a port, and counts what is judged again.

The processes of the check note each judging in a file; see `benchmarks/stopped/sitecustomize.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.ports.journal import journal_path

PAUSE_S = 0.02


@dataclass(frozen=True)
class Notes:
    """The file with a line for each begin and end: the process, the word and the port."""

    path: Path

    def lines(self, since: int = 0) -> list[tuple[int, str, str]]:
        """Returns the whole lines after the first `since`."""
        text = self.path.read_text() if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()[since:]
        return [(int(pid), word, port) for pid, word, port in map(str.split, whole)]

    def begun(self, since: int = 0) -> Counter[str]:
        """Returns how often the judging of each port began."""
        return Counter(port for _, word, port in self.lines(since) if word == "begins")

    def in_mid_check(self, pid: int) -> bool:
        """Returns whether a process has begun a port and not ended it."""
        words = [word for process, word, _ in self.lines() if process == pid]
        return words[-1:] == ["begins"]


def kill_worker(notes: Notes, *, after: int, running: subprocess.Popen[bytes]) -> None:
    """Kills a process in the middle of a port, once the judging of `after` ports has begun.

    It is stopped first: only what a stopped process noted last is certain to be what it does.
    """
    while running.poll() is None:
        lines = [pid for pid, word, _ in notes.lines() if word == "begins"]
        if len(lines) >= after and lines[-1] != running.pid:
            with suppress(ProcessLookupError):
                if _stopped(lines[-1]) and notes.in_mid_check(lines[-1]):
                    os.kill(lines[-1], signal.SIGKILL)
                    return
                os.kill(lines[-1], signal.SIGCONT)
        time.sleep(PAUSE_S)
    raise ended_early(running, after)


def ended_early(running: subprocess.Popen[bytes], after: int) -> RuntimeError:
    """Returns the error of a command that ended before it could be killed."""
    said = Path("stderr").read_text()[-1000:]
    message = f"exit status {running.returncode} before {after} ports began: {said}"
    return RuntimeError(message)


def _stopped(pid: int) -> bool:
    """Stops a process, and returns whether it stopped."""
    os.kill(pid, signal.SIGSTOP)
    for _ in range(100):
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
            if state == "T":
                return True
        time.sleep(PAUSE_S)
    return False


def kill_driver(
    notes: Notes, *, after: int, running: subprocess.Popen[bytes], part: str = ""
) -> tuple[int, set[str]]:
    """Kills the command once `after` ports have begun.

    Returns:
        The lines of the notes so far, and the ports whose results the command had kept.
    """
    while running.poll() is None and notes.begun().total() < after:
        time.sleep(PAUSE_S)
    if running.poll() is not None:
        raise ended_early(running, after)
    running.kill()
    running.wait()
    journal = journal_path(Path("ports.toml"), part).read_text().splitlines()
    kept = {json.loads(json.loads(line)["result"])["port"] for line in journal if _is_whole(line)}
    return len(notes.lines()), kept


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:  # the last line, cut off by the kill
        return False
    return True
