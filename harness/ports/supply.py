"""Fetches the logs of ports from stores and servers, ahead of the workers that judge the ports."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from harness.ports.manifest import Port
from harness.storage.fetching import SMALL, Fetched, fetch, is_remote
from harness.storage.logs import expand
from harness.storage.places import is_url, parts_of
from harness.storage.stores import IN_FLIGHT
from harness.storage.table.names import table_of


class _OfPort(Protocol):
    @property
    def port(self) -> Port: ...


Work = TypeVar("Work", bound=_OfPort)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply(Generic[Work]):
    """A port's task with its logs in stores and on servers, by their URLs."""

    task: Work
    logs: Mapping[str, Fetched]


def fetched_ahead(tasks: Iterable[Work]) -> Generator[Supply[Work], None, None]:
    """Yields tasks in their order with the logs that they name by URLs, fetched ahead.

    A worker judges a port in the time of a few requests, so its logs are fetched while others are
    judged: those of at most `IN_FLIGHT` ports, and at most `fetching.SMALL` bytes for each port.
    """
    waiting: deque[tuple[Work, Future[Mapping[str, Fetched]]]] = deque()
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="fetch") as pool:
        try:
            for task in tasks:
                if not _is_remote(task.port):
                    waiting.append((task, _nothing()))
                else:
                    waiting.append((task, pool.submit(_logs_of, task.port)))
                if len(waiting) >= IN_FLIGHT:
                    first, logs = waiting.popleft()
                    yield Supply(task=first, logs=logs.result())
            while waiting:
                first, logs = waiting.popleft()
                yield Supply(task=first, logs=logs.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _nothing() -> Future[Mapping[str, Fetched]]:
    future: Future[Mapping[str, Fetched]] = Future()
    future.set_result({})
    return future


def _is_remote(port: Port) -> bool:
    return is_url(port.baseline) or is_url(port.candidate)


def _logs_of(port: Port) -> Mapping[str, Fetched]:
    """Returns the logs of a port that are small; the worker reads the others, and any error."""
    logs: dict[str, Fetched] = {}
    try:
        for spec in (port.baseline, port.candidate):
            for part in parts_of(spec) if is_url(spec) else ():
                for url in expand(part) if is_remote(part) and table_of(part) is None else ():
                    log = fetch(url) if sum(len(f.data) for f in logs.values()) < SMALL else None
                    logs.update({url: log} if log is not None else {})
    except Exception:  # the worker meets the same error, and reports it
        return logs
    return logs
