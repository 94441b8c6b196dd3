"""Applies a function to many things in worker processes, which always end with this process.

A worker that dies or exceeds the time limit loses only the thing that it worked on. Workers do not
keep the standard output or error of this process open.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")

PR_SET_PDEATHSIG = 1
ENDING_S = 5
"""Seconds that a worker has to end after SIGTERM, before SIGKILL."""


class Lost(Enum):
    """The reason why a thing has no result."""

    DIED = "died"
    LATE = "late"


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True, eq=False)
class _Worker(Generic[Thing]):
    """A process, the pipe to it, the thing that it works on, and when it began (monotonic)."""

    process: Any
    pipe: Connection
    doing: list[Thing] = field(default_factory=list)
    since: float = 0.0


def each(
    work: Callable[[Thing], Result], things: Iterable[Thing], *, workers: int, limit_s: float | None
) -> Generator[tuple[Thing, Result | Lost], None, None]:
    """Yields each thing with its result, or with the reason for its absence, as they arrive.

    `work` is a module-level function, so that it can be pickled, and raises nothing. A worker has
    `limit_s` seconds for each thing. Close the generator to end the workers; otherwise the
    interpreter waits for them at exit.
    """
    left = iter(things)
    context = multiprocessing.get_context("spawn")  # fork is unsafe in a process with threads
    main = threading.current_thread() is threading.main_thread()
    crew: list[_Worker[Thing]] = []
    try:
        for thing in left:
            crew.append(_started(context, work, main))
            _give(crew[-1], thing)
            if len(crew) == workers:
                break
        while crew:
            for worker in _ready(crew, limit_s):
                (thing,) = worker.doing
                result = _taken(worker, limit_s)
                if isinstance(result, Lost):
                    _end(worker)
                    crew.remove(worker)
                yield thing, result
                upcoming = next(left, None)
                if upcoming is None:
                    if worker in crew:
                        crew.remove(worker)
                        _end(worker)
                    continue
                if worker in crew:
                    _give(worker, upcoming)
                    continue
                crew.append(_started(context, work, main))
                _give(crew[-1], upcoming)
    finally:
        for worker in crew:
            _end(worker)


def _started(context: Any, work: Callable[[Thing], Result], main: bool) -> _Worker[Thing]:
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, work, os.getpid() if main else 0), daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process=process, pipe=ours)


def _give(worker: _Worker[Thing], thing: Thing) -> None:
    worker.doing, worker.since = [thing], time.monotonic()
    try:
        worker.pipe.send(thing)
    except OSError:  # the worker has died; `_ready` notices
        return


def _ready(crew: list[_Worker[Thing]], limit_s: float | None) -> list[_Worker[Thing]]:
    """Waits for a worker, and returns those that have a result, have died, or are late."""
    while True:
        now = time.monotonic()
        late = [w for w in crew if limit_s is not None and now - w.since >= limit_s]
        if late:
            return late
        oldest = min(w.since for w in crew)
        patience = None if limit_s is None else max(0.0, oldest + limit_s - now)
        objects = [w.pipe for w in crew] + [w.process.sentinel for w in crew]
        signalled = wait(objects, patience)
        ready = [w for w in crew if w.pipe in signalled or w.process.sentinel in signalled]
        if ready:
            return ready


def _taken(worker: _Worker[Thing], limit_s: float | None) -> Any:
    """Returns the result that a worker sent, or the reason for its absence."""
    try:
        if worker.pipe.poll():
            return worker.pipe.recv()
    except Exception:  # the pipe is closed, or holds half of a result
        return Lost.DIED
    late = limit_s is not None and time.monotonic() - worker.since >= limit_s
    return Lost.LATE if late and worker.process.is_alive() else Lost.DIED


def _end(worker: _Worker[Thing]) -> None:
    """Ends a worker; an idle worker ends as soon as its pipe closes."""
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join(ENDING_S)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join(ENDING_S)


def _serve(pipe: Connection, work: Callable[[Any], object], parent: int) -> None:
    """Runs in a worker: receives things and sends results until the pipe closes."""
    _let_go_of_the_screen()
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Control-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if parent:
        _be_killed_with(parent)
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, OSError):
        os._exit(0)


def _let_go_of_the_screen() -> None:
    """Points the standard streams at the null device.

    Otherwise a reader of this program's output would wait until the last worker has ended.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _be_killed_with(parent: int) -> None:
    """Asks Linux to kill this process with its parent, even inside a call that never returns.

    The kernel kills when the parent's *thread* ends, so only workers of its main thread call this.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # the parent died before the request
        os._exit(1)
