"""What a sweep keeps in its folder: who drives it, and what became of each run.

OUT/.sweep/driver.lock      locked by the driver while it lives; holds its token
OUT/.sweep/runs/NAME.json   the record of a run: its command, and its status when it has ended
OUT/.sweep/runs/NAME.lock   locked while the run trains, by its keeper and its command
OUT/.sweep/replaced/        folders of runs whose command was edited
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.system.locks import FileLock, is_held, take
from harness.system.whole import guarded, real_folder, write_text

STATE = ".sweep"
_DRIVER, _RUNS, _REPLACED = "driver.lock", "runs", "replaced"
TAKE_S = 2.0
"""Seconds to try for the driver's lock, which a keeper holds for an instant while it looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record of a run.

    `command` identifies the work, `shown` is the command as it ran. `status` is its exit status
    (negative: the signal that ended it), None until it has ended. `checked_size` and
    `checked_mtime_ns` describe the log that was complete; -1 until it was.
    """

    command: str
    shown: str
    host: str
    pid: int = 0
    attempts: int = 1
    status: int | None = None
    seconds: float = 0.0
    problem: str = ""
    checked_size: int = -1
    checked_mtime_ns: int = -1


class Store:
    """The state of the sweep in the folder `out`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.state = out / STATE

    def record_path(self, name: str) -> Path:
        """Returns the file with the record of a run."""
        return self.state / _RUNS / f"{name}.json"

    def lock_path(self, name: str) -> Path:
        """Returns the file that is locked while a run trains."""
        return self.state / _RUNS / f"{name}.lock"

    @property
    def driver_path(self) -> Path:
        """The file that the driver locks."""
        return self.state / _DRIVER

    def read(self, name: str) -> Record | None:
        """Returns the record of a run; None without one that can be read."""
        return read_record(self.record_path(name))

    def names(self) -> list[str]:
        """Returns the names of the runs with a record, sorted."""
        folder = self.state / _RUNS
        return sorted(
            path.relative_to(folder).as_posix().removesuffix(".json")
            for path in folder.rglob("*.json")
            if not path.name.startswith(".")
        )

    def reopen(self, name: str) -> None:
        """Notes that a run whose command ended well is not finished, so that it is trained again.

        Raises:
            HarnessError: the record cannot be written.
        """
        record = self.read(name)
        if record is not None and record.status == 0:
            write_record(self.record_path(name), replace(record, status=None))

    def replace(self, name: str, folder: Path, log: Path) -> Path:
        """Moves the folder and the log of a run aside, and returns where they are.

        The record of the run is removed.
        """
        moved = self.state / _REPLACED / f"{name}-{secrets.token_hex(4)}"

        def move(_: Path) -> None:
            moved.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                folder.rename(moved)
            if log.exists():
                moved.mkdir(exist_ok=True)
                shutil.move(log, moved / log.name)
            self.record_path(name).unlink(missing_ok=True)

        guarded(folder, move)
        return moved

    def clear(self, folder: Path, log: Path) -> None:
        """Removes the folder and the log of a run that was interrupted.

        Raises:
            HarnessError: they cannot be removed, or the folder is a symbolic link.
        """
        guarded(folder, lambda path: shutil.rmtree(path) if path.exists() else None)
        guarded(log, lambda path: path.unlink(missing_ok=True))


def read_record(path: Path) -> Record | None:
    """Returns the record in a file; None if it has none that can be read."""
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Writes the record of a run.

    Raises:
        HarnessError: it cannot be written.
    """
    write_text(path, json.dumps(asdict(record)) + "\n")


class Driver:
    """The right to drive the sweep in a folder, which ends with this process or with `close`.

    `token` differs from driver to driver. A keeper ends its run if the driver that ordered it has
    gone, or if another one took over.

    Raises:
        HarnessError: another driver has the folder, or it cannot be written.
    """

    def __init__(self, store: Store) -> None:
        guarded(store.out, real_folder)
        guarded(store.state / _RUNS, lambda path: path.mkdir(parents=True, exist_ok=True))
        lock = next(filter(None, _tries(store.driver_path)), None)
        if lock is None:
            raise HarnessError(_taken(store), source=str(store.out))
        self._lock = lock
        self.token = secrets.token_hex(8)
        head = {"token": self.token, "pid": os.getpid(), "host": socket.gethostname()}
        os.ftruncate(lock.descriptor, 0)
        os.pwrite(lock.descriptor, json.dumps(head).encode(), 0)

    def close(self) -> None:
        """Gives the folder back; the keepers of executors end their runs."""
        self._lock.release()


def _tries(path: Path) -> Iterator[FileLock | None]:
    until = time.monotonic() + TAKE_S
    while time.monotonic() < until:
        yield take(path)
        time.sleep(0.1)


def _taken(store: Store) -> str:
    head = _head(store.driver_path)
    who = f"process {head['pid']} on {head['host']}" if {"pid", "host"} <= head.keys() else "it"
    return f"another `harness sweep` trains into this folder ({who}); wait for its end, or end it"


def drives(path: Path, token: str) -> bool:
    """Returns whether the driver with this token still lives; `path` is the file that it locks."""
    return _head(path).get("token") == token and is_held(path)


def _head(path: Path) -> dict[str, object]:
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}
