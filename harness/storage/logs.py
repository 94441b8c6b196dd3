"""Reads logs from disk, standard input or URLs, once, and hashes them while they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from itertools import chain, tee
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, ParseError, PolicyError
from harness.log.run import Run, place_text
from harness.parse import parse_logs
from harness.storage.bounded import Stream, full
from harness.storage.fetching import (
    Fetched,
    fetch,
    fetched_ahead,
    is_remote,
    is_supplied,
    supplied,
)
from harness.storage.hparams import with_settings
from harness.storage.listing import expand, unreadable
from harness.storage.local import open_path
from harness.storage.places import Place, place_of
from harness.storage.table.names import MARK, table_of
from harness.storage.unpack import unpacked
from harness.system.plugins import installed_formats
from harness.trackers.event_files import event_files, read_events
from harness.trackers.registry import read_tracker

__all__ = ["expand", "read_run", "read_runs"]

FOREIGN = frozenset(
    {"_lzma", "lzma", "zlib", "backports", "compression", "zstd", "zstandard", "_zstd"}
    | {"adlfs", "aiohttp", "azure", "botocore", "gcsfs", "google", "requests", "s3fs", "urllib3"}
)
"""Packages whose exceptions mean a damaged archive or an unreachable place."""
BLOCK_BYTES = 1 << 22


class _Seen:
    """The hash and the number of the bytes read so far."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.count = 0

    def add(self, data: Any) -> None:
        """Adds bytes."""
        self.sha256.update(data)
        self.count += len(data)


def read_run(path: str | Path, *, pattern: str | None = None) -> Run:
    """Returns the run that a log describes.

    `path` may be a file, compressed or not (.gz .xz .bz2 .zst), `-` for standard input, or a URL.
    `pattern` is a user's own log format, a regular expression with named groups.

    Raises:
        ParseError: the log cannot be read, or has no training record, or more than one run.
        PolicyError: the pattern is invalid.
    """
    first, *others = read_runs(path, pattern=pattern)
    if others:
        msg = (
            f"holds {len(others) + 1} runs (by its column `run`, its blocks of losses, or as an "
            "experiment); expected one run. Pass it to `harness compare`, which accepts more; or "
            "name one run, in a file per run."
        )
        raise ParseError(msg, source=str(path))
    return first


def read_each(
    paths: Iterable[str], *, pattern: str | None = None
) -> Generator[tuple[str, tuple[Run, ...] | HarnessError], None, None]:
    """Yields each log with its runs or its error, in the order of `paths`.

    Logs in stores and on servers are fetched ahead, many at the same time.

    Raises:
        PolicyError: the pattern is invalid.
    """
    ahead, again = tee(paths)
    with closing(fetched_ahead(path for path in again if _is_object(path))) as fetched:
        for path in ahead:
            ready = next(fetched)[1] if _is_object(path) else None
            if isinstance(ready, HarnessError) and table_of(path) is None:
                yield path, ready
                continue
            with supplied({path: ready}) if isinstance(ready, Fetched) else nullcontext():
                yield path, _or_error(path, pattern)


def _is_object(path: str) -> bool:
    """Returns whether a name may be that of an object or of a page, and not of a table's runs."""
    if not is_remote(path):
        return False
    return MARK not in path or place_of(path).kind == "http"


def _or_error(path: str, pattern: str | None) -> tuple[Run, ...] | HarnessError:
    try:
        return read_runs(path, pattern=pattern)
    except PolicyError:
        raise
    except HarnessError as error:
        return error


def read_all(
    paths: Sequence[str], *, pattern: str | None = None
) -> Iterator[tuple[str, tuple[Run, ...]]]:
    """Yields each log with its runs, as `read_each`.

    Raises:
        ParseError, PolicyError: a log cannot be read; see `read_runs`.
    """
    with closing(read_each(paths, pattern=pattern)) as each:
        for path, runs in each:
            if isinstance(runs, HarnessError):
                raise runs
            yield path, runs


def read_runs(path: str | Path, *, pattern: str | None = None) -> tuple[Run, ...]:
    """Returns the runs that a log describes: mostly one.

    A table with a column `run` and a tracker's experiment may describe many, and a file with both
    sides of a comparison two.

    `path` may be a file, compressed or not, `-` for standard input, a URL of file, http, https,
    s3, gs or az, or the name of a tracker's run. The `sha256` of a run in a table is a hash of the
    file's hash and the run's label, so that such runs are not taken for copies of one log. A run's
    `source` is `path` without user, password and query values. A folder of `harness collect`, or
    `TABLE#RUN`, gives the runs of the table, and a Parquet file of anybody is read as a CSV table
    is.

    Raises:
        ParseError: the log cannot be read, exceeds a bound of time or size, or has no training
            record.
        PolicyError: the pattern is invalid.
    """
    source = str(path)
    place = place_of(source)
    try:
        if place.kind == "tracker":
            return read_tracker(source)
        # a log that was fetched is no table, and asking the store would take two requests
        table = None if is_supplied(source) else table_of(source)
        if table is not None:
            from harness.storage.table.reading import read_table  # noqa: PLC0415

            return read_table(*table)
        if place.kind == "file" and event_files(place.name):
            return (read_events(Path(place.name), source=source),)
        runs = _read_log(place, source, pattern)
        if place.kind == "file":
            runs = tuple(with_settings(run, Path(place.name)) for run in runs)
        return runs
    except HarnessError:
        raise
    except (OSError, EOFError) as error:
        raise unreadable(source, error) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in FOREIGN:
            raise unreadable(source, error) from error
        raise


def _read_log(place: Place, source: str, pattern: str | None) -> tuple[Run, ...]:
    seen = _Seen()
    with closing(_open(place)) as raw:
        packed = place.packed or getattr(raw, "encoding", "")
        blocks = (
            unpacked(raw, packed, seen=seen.add, source=source, block=BLOCK_BYTES)
            if packed
            else _blocks(raw, seen)
        )
        with closing(blocks):
            text = _text(blocks, source)
            runs = parse_logs(text, source=source, pattern=pattern, formats=installed_formats())
        remark = str(getattr(raw, "note", ""))
    whole = seen.sha256.hexdigest()
    notes = (remark,) if remark else ()
    return tuple(
        replace(
            run,
            sha256=_hash(whole, run, source),
            size_bytes=seen.count,
            notes=(*run.notes, *notes),
        )
        for run in runs
    )


def _text(blocks: Iterator[bytes], source: str) -> Iterator[bytes]:
    """Returns the blocks of a log as text: those of a Parquet file as a table, others unchanged."""
    first = next(blocks, b"")
    whole = chain([first] if first else [], blocks)
    if not first.startswith(b"PAR1"):
        return whole
    from harness.storage.table.foreign import csv_of  # noqa: PLC0415  (only Parquet needs it)

    return csv_of(whole, source=source)


def _hash(whole: str, run: Run, source: str) -> str:
    """Returns the hash of a file's run, or of one run of a table."""
    label = run.source.removeprefix(place_text(source))
    return hashlib.sha256(f"{whole}{label}".encode()).hexdigest() if label else whole


def _blocks(raw: Stream, seen: _Seen) -> Generator[bytes, None, None]:
    """Yields the blocks of a file; a thread hashes each while the caller parses it.

    On large logs, hashing takes about as long as parsing.
    """
    block = full(raw, BLOCK_BYTES)
    if len(block) < BLOCK_BYTES:  # a thread would cost more than it saves
        seen.add(block)
        yield block
        block = full(raw, BLOCK_BYTES)
    with ThreadPoolExecutor(1) as thread:
        while block:
            hashed = thread.submit(seen.add, block)
            yield block
            block = full(raw, BLOCK_BYTES)
            hashed.result()


def _open(place: Place) -> Stream:
    if place.kind in {"file", "stdin"}:
        return open_path(place.name)
    fetched = fetch(place.name)
    if fetched is not None:
        return fetched.stream()
    from harness.storage.remote import HttpLog, StoreLog  # noqa: PLC0415  (only URLs need it)

    return HttpLog(place.name) if place.kind == "http" else StoreLog(place.name)
