"""Applies a function to many things by an executor that the user names.

An executor is an object of `concurrent.futures.Executor`: threads, processes, or a library that
runs functions on other machines.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from harness.errors import PolicyError

Thing = TypeVar("Thing")
Result = TypeVar("Result")
Make = Callable[[], Executor]

WIDTH = 1024
"""Things that an executor has at a time: enough to keep some hundred workers busy."""
NARROWER = 8
"""The factor by which `WIDTH` shrinks when all workers are lost at once; see `each`."""
LONGEST = 300
"""Characters of an exception that a message repeats."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
EXPECTED = "expected MODULE:CALLABLE, such as concurrent.futures:ProcessPoolExecutor"


def load(text: str) -> Make:
    """Returns a function that makes the executor that `MODULE:CALLABLE` names.

    The module may be installed, or lie in the current folder. An installed module comes first, so
    that a checkout cannot replace it.

    Raises:
        PolicyError: there is no such module or callable. The function raises it if the callable
            fails, or returns something else.
    """
    name, colon, path = text.partition(":")
    if not (colon and all(part.isidentifier() for part in (*name.split("."), *path.split(".")))):
        msg = f"--executor {text}: not an import path; {EXPECTED}"
        raise PolicyError(msg)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(name)
    except Exception as error:
        msg = f"--executor {text}: {name} cannot be imported: {line_of(error)}"
        raise PolicyError(msg) from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        msg = f"--executor {text}: {name} has no callable {path}; {EXPECTED}"
        raise PolicyError(msg)
    return lambda: _made(found, text)


def _made(make: Callable[[], object], text: str) -> Executor:
    try:
        executor = make()
    except Exception as error:
        msg = f"--executor {text}: the call failed: {line_of(error)}"
        raise PolicyError(msg) from error
    if not isinstance(executor, Executor):
        msg = (
            f"--executor {text}: returned {type(executor).__name__}; expected an object of "
            "concurrent.futures.Executor"
        )
        raise PolicyError(msg)
    return executor


def each(
    work: Callable[[Thing], Result], things: Iterable[Thing], *, make: Make, width: int = WIDTH
) -> Generator[tuple[Thing, Result | Exception], None, None]:
    """Yields each thing with its result, or with the exception of the executor, as they arrive.

    `work` is a module-level function that raises nothing, so an exception means that the executor
    lost its worker or cannot run it. A `ProcessPoolExecutor` that loses one worker ends all, and
    does not say which thing ended it. What it had is then given to a new executor in smaller
    groups, down to one thing at a time, so that only the thing that ends its worker has no result.
    """
    left = iter(things)
    while True:
        lost: list[Thing] = []
        error = yield from _until_lost(work, left, lost, make=make, width=width)
        if error is None:
            return
        if width == 1:
            yield lost[0], error
        else:
            yield from each(work, lost, make=make, width=max(1, width // NARROWER))


def _until_lost(
    work: Callable[[Thing], Result],
    left: Iterator[Thing],
    lost: list[Thing],
    *,
    make: Make,
    width: int,
) -> Generator[tuple[Thing, Result | Exception], None, BrokenExecutor | None]:
    """Yields results until no thing is left, or until the executor is broken.

    Puts the things that a broken executor had into `lost`, and returns its error.
    """
    executor = make()
    arrived: SimpleQueue[Future[Result]] = SimpleQueue()
    doing: dict[Future[Result], Thing] = {}
    broken: BrokenExecutor | None = None
    try:
        while True:
            for thing in islice(left, 0 if broken else width - len(doing)):
                try:
                    future = _future(executor.submit(work, thing))
                except BrokenExecutor as error:
                    broken = error
                    lost.append(thing)
                    break
                doing[future] = thing
                future.add_done_callback(arrived.put)
            if not doing:
                return broken
            future = arrived.get()
            thing = doing.pop(future)
            try:
                yield thing, future.result()
            except BrokenExecutor as error:
                broken = error
                lost.append(thing)
            except Exception as error:  # of the cluster's library
                yield thing, error
    finally:
        for future in doing:
            future.cancel()
        executor.shutdown(wait=not doing)


def _future(given: object) -> Any:
    """Returns what `submit` returned, if it is a future of the standard library.

    Raises:
        PolicyError: it is something else.
    """
    if isinstance(given, Future):
        return given
    msg = (
        f"--executor: `submit` returned {type(given).__name__}; expected an object of "
        "concurrent.futures.Future"
    )
    raise PolicyError(msg)


def line_of(error: BaseException) -> str:
    """Returns an exception of an executor as one line, without the colours that Ray adds."""
    text = " ".join(_COLOUR.sub("", str(error)).split())
    return f"{type(error).__name__}: {text[:LONGEST]}"
