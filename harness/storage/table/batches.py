"""Reads a batch of logs in a worker process, and returns their rows or their errors."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.log.run import Run, place_text
from harness.storage.logs import read_each
from harness.storage.store_listing import Found
from harness.storage.table.rows import Row, row_of
from harness.system.running import internal
from harness.system.workers import Lost, each

BATCH = 64
"""Most logs of a batch: twice as many as are fetched at the same time."""
ALONE_BYTES = 32 << 20
"""Up to this size, this process reads a batch itself: starting workers would take longer."""
LIMIT_S = 3600
"""Seconds that a worker has for a batch."""
DIED = "the process that read it died (killed, or out of memory); check the size of the log"
LATE = f"not read within {LIMIT_S} s; check the size of the log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Logs that one worker reads, with the user's own format."""

    logs: tuple[Found, ...]
    pattern: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A log that was read: its rows, or the error."""

    log: Found
    rows: tuple[Row, ...] = ()
    error: str = ""


def read_batch(batch: Batch) -> tuple[Read, ...]:
    """Returns the logs of a batch as they were read. A log that cannot be read stops no other."""
    logs = {found.name: found for found in batch.logs}
    with closing(read_each(list(logs), pattern=batch.pattern)) as stream:
        return tuple(_read(logs[name], runs) for name, runs in stream)


def _read(found: Found, runs: tuple[Run, ...] | HarnessError) -> Read:
    if isinstance(runs, HarnessError):
        return Read(log=found, error=str(runs))
    log = place_text(found.name)
    try:
        return Read(log=found, rows=tuple(row_of(r, log=log, stamp=found.stamp) for r in runs))
    except Exception as error:  # a bug of this program must not hide the other logs
        return Read(log=found, error=f"{found.name}: {internal(error)}")


def read_logs(
    logs: Sequence[Found], *, pattern: str | None, workers: int
) -> Generator[Read, None, None]:
    """Yields the logs as they were read, in no order, from worker processes.

    If a worker dies, the logs of its batch are read again, each by itself.
    """
    few = len(logs) <= BATCH and sum(log.size_bytes for log in logs) <= ALONE_BYTES
    alone = workers == 1 or few
    length = BATCH if alone else max(1, min(BATCH, len(logs) // (4 * workers)))
    batches = [
        Batch(logs=tuple(logs[begun : begun + length]), pattern=pattern)
        for begun in range(0, len(logs), length)
    ]
    if alone:
        for batch in batches:
            yield from read_batch(batch)
        return
    again: list[Batch] = []
    with closing(each(read_batch, batches, workers=workers, limit_s=LIMIT_S)) as stream:
        for batch, reads in stream:
            if isinstance(reads, Lost):
                again += [Batch(logs=(log,), pattern=pattern) for log in batch.logs]
            else:
                yield from reads
    with closing(each(read_batch, again, workers=workers, limit_s=LIMIT_S)) as stream:
        for batch, reads in stream:
            if isinstance(reads, Lost):
                why = DIED if reads is Lost.DIED else LATE
                yield Read(log=batch.logs[0], error=f"{batch.logs[0].name}: {why}")
            else:
                yield from reads
