"""Runs the command of one run, in a keeper process or in the worker of an executor.

The keeper ends the command if the driver has gone, so that no training outlives a sweep, and
records the status as soon as the command has ended, so that no finished training is lost.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from harness.errors import HarnessError
from harness.sweep.state import Record, drives, read_record, write_record
from harness.system.locks import FileLock, take
from harness.system.trees import end_tree
from harness.system.whole import guarded

POLL_S = 0.05
LEASH_S = 0.5
"""Seconds between two looks at whether the driver lives."""
WAIT_S = 5.0
"""Seconds beyond the grace to wait for another process that trains the same run."""
NOT_STARTED = 127
"""The status of a command that cannot be started, as shells give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a keeper needs to run one command; all paths are absolute.

    `env` is added to the environment. `append` keeps what an interrupted attempt printed. `record`,
    `lock` and `driver` are files of the sweep's state, and `token` is that of the driver.
    """

    name: str
    command: str
    shown: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    folder: str
    output: str
    append: bool
    record: str
    lock: str
    driver: str
    token: str
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: its exit status, or None with the `problem`; and its seconds.

    `left` is the number of processes that its command left running, and that were ended.
    """

    name: str
    status: int | None
    seconds: float
    problem: str = ""
    left: int = 0


def keep(order: Order, *, asked: Callable[[], bool] = lambda: False) -> Ended:
    """Returns how the run ended. It raises nothing, so that any executor can call it.

    `asked` says whether the run must end before its command does.
    """
    try:
        return _kept(order, asked)
    except HarnessError as error:
        return Ended(name=order.name, status=None, seconds=0.0, problem=str(error))


def _kept(order: Order, asked: Callable[[], bool]) -> Ended:
    if not drives(Path(order.driver), order.token):
        msg = "its driver has gone, or is not seen on this machine; workers must share the folder"
        raise HarnessError(msg, source=order.driver)
    state = Path(order.lock).parent  # a name may have folders
    guarded(state, lambda path: path.mkdir(parents=True, exist_ok=True))
    until = time.monotonic() + order.grace_s + WAIT_S
    while (lock := take(Path(order.lock))) is None and time.monotonic() < until and not asked():
        time.sleep(LEASH_S)  # a worker that was lost may still end its run
    if lock is None:
        msg = "another process trains this run; end it, and repeat the command"
        raise HarnessError(msg, source=order.folder)
    try:
        known = read_record(Path(order.record))
        if known and known.command == order.command and known.status == 0:
            return Ended(name=order.name, status=0, seconds=known.seconds)  # ordered twice
        return _trained(order, lock, attempts=known.attempts + 1 if known else 1, asked=asked)
    finally:
        lock.release()


def _trained(order: Order, lock: FileLock, *, attempts: int, asked: Callable[[], bool]) -> Ended:
    record = Record(
        command=order.command,
        shown=order.shown,
        host=socket.gethostname(),
        attempts=attempts,
    )
    write_record(Path(order.record), record)
    for folder in (order.folder, str(Path(order.output).parent)):
        guarded(Path(folder), lambda path: path.mkdir(parents=True, exist_ok=True))
    begun = time.monotonic()
    opened: list[IO[bytes]] = []
    mode = "ab" if order.append else "wb"
    guarded(Path(order.output), lambda path: opened.append(path.open(mode)))
    with opened[0] as output:
        try:
            process = _started(order, output, lock)
        except (OSError, ValueError) as error:
            status: int | None = NOT_STARTED
            reason = getattr(error, "strerror", None) or error
            problem = f"{order.argv[0]} cannot be started: {reason}"
        else:
            write_record(Path(order.record), replace(record, pid=process.pid))
            status, problem = _watched(process, order, asked), ""
    seconds = round(time.monotonic() - begun, 3)
    if status is not None:
        ended = replace(record, status=status, seconds=seconds, problem=problem)
        write_record(Path(order.record), ended)
    return Ended(name=order.name, status=status, seconds=seconds, problem=problem)


def _started(order: Order, output: IO[bytes], lock: FileLock) -> subprocess.Popen[bytes]:
    """Starts the command in a group of its processes. It inherits the lock of the run.

    If the keeper is killed, the lock still shows that the command runs.
    """
    return subprocess.Popen(  # noqa: S603  (the user's own words)
        order.argv,
        cwd=order.cwd,
        env={**os.environ, **order.env},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(lock.descriptor,),
    )


def _watched(
    process: subprocess.Popen[bytes], order: Order, asked: Callable[[], bool]
) -> int | None:
    """Returns the status of a command; None if it had to end because the sweep ends."""
    looked = time.monotonic()
    try:
        while (status := process.poll()) is None:
            if asked():
                return None
            if time.monotonic() - looked >= LEASH_S:
                looked = time.monotonic()
                if not drives(Path(order.driver), order.token):
                    return None
            time.sleep(POLL_S)
        return status
    finally:
        if process.poll() is None:
            end_tree(process, grace_s=order.grace_s)


def signal_name(status: int) -> str:
    """Returns an exit status in words.

    >>> signal_name(3), signal_name(-9)
    ('status 3', 'SIGKILL')
    """
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
