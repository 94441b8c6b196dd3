"""Fetches logs from stores and servers, many at the same time, in the order of their names.

A log of up to `SMALL` bytes is fetched as a whole, and again if the connection is lost. A larger
one is read as a stream, when its turn comes.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError, ParseError
from harness.storage import bounded
from harness.storage.bounded import Stream, full
from harness.storage.places import place_of
from harness.storage.stores import IN_FLIGHT, is_lost, on_store, repeated

SMALL = 8 << 20
"""Most bytes of a log that is fetched ahead; `IN_FLIGHT` of them bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The bytes of a log. `encoding` and `note` are those of its stream."""

    data: bytes
    encoding: str = ""
    note: str = ""

    def stream(self) -> Stream:
        """Returns a stream of the bytes."""
        return _Whole(self)


class _Whole(io.BytesIO):
    def __init__(self, fetched: Fetched) -> None:
        super().__init__(fetched.data)
        self.encoding, self.note = fetched.encoding, fetched.note


_supplied: ContextVar[Mapping[str, Fetched]] = ContextVar("_supplied")


@contextmanager
def supplied(logs: Mapping[str, Fetched]) -> Iterator[None]:
    """Lets `fetch` return these logs by their URLs, without a request."""
    token = _supplied.set(logs)
    try:
        yield
    finally:
        _supplied.reset(token)


def is_supplied(url: str) -> bool:
    """Returns whether a log was fetched already, so that `fetch` asks nobody."""
    return url in _supplied.get({})


def fetch(url: str) -> Fetched | None:
    """Returns a log as a whole; None if it is larger than `SMALL`.

    Raises:
        ParseError: the log cannot be read, or not within the bound of time.
    """
    ready = _supplied.get({}).get(url)
    if ready is not None:
        return ready
    place = place_of(url)
    limit = min(SMALL, bounded.MAX_BYTES)
    if place.kind == "http":
        return repeated(lambda: _of_server(place.name, limit), passing=is_lost)
    return on_store(place.name, lambda files, path: _of_store(files, path, place.name, limit))


def _of_server(url: str, limit: int) -> Fetched | None:
    from harness.storage.remote import HttpLog  # noqa: PLC0415  (only URLs need it)

    with closing(HttpLog(url)) as stream:
        if stream.length is not None and stream.length > limit:
            return None
        data = full(stream, limit + 1)
        if len(data) > limit:
            return None
        return Fetched(data=data, encoding=stream.encoding, note=stream.note)


def _of_store(files: Any, path: str, url: str, limit: int) -> Fetched | None:
    """Returns an object by a single request; a server that refuses the range is asked again."""
    try:
        data = _part(files, path, limit + 1, url)
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        if files.info(path)["size"] != 0:  # an empty object has no first byte
            raise
        data = b""
    return None if len(data) > limit else Fetched(data=data)


def _part(files: Any, path: str, end: int, url: str) -> bytes:
    """Returns the first `end` bytes of an object, within the bound of time."""
    from harness.storage import remote  # noqa: PLC0415  (only URLs need it)

    if not getattr(files, "async_impl", False):
        return bytes(files.cat_file(path, start=0, end=end))
    from fsspec.asyn import sync  # noqa: PLC0415

    try:
        call = files._cat_file  # the one call of fsspec that takes a time limit
        return bytes(sync(files.loop, call, path, start=0, end=end, timeout=remote.TOTAL_S))
    except TimeoutError as error:
        msg = f"did not end within {remote.TOTAL_S:g} s. {remote.ADVICE}"
        raise ParseError(msg, source=url) from error


def fetched_ahead(
    urls: Iterable[str],
) -> Generator[tuple[str, Fetched | HarnessError | None], None, None]:
    """Yields each URL with its log, None for a large log, or the error, in the order of `urls`.

    At most `IN_FLIGHT` logs are fetched and held at a time. Close the generator to end early.
    """
    waiting: deque[tuple[str, Future[Fetched | HarnessError | None]]] = deque()
    pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="fetch")
    try:
        for url in urls:
            waiting.append((url, pool.submit(copy_context().run, _tried, url)))
            if len(waiting) >= IN_FLIGHT:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _tried(url: str) -> Fetched | HarnessError | None:
    try:
        return fetch(url)
    except HarnessError as error:
        return error
    except Exception as error:  # a thread's error belongs to its log only
        return ParseError(f"cannot be read: {error or type(error).__name__}", source=url)


def is_remote(spec: str) -> bool:
    """Returns whether a name is a URL of a store or a server."""
    return "://" in spec and place_of(spec).kind in {"http", "store"}
