"""The one pass over a log: chunks of bytes -> lines -> the first format that takes each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from harness.errors import ParseError
from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.fast.bulk import THREADS, Bulk, Sorted, has_records, is_loaded
from harness.parse.fast.pending import Pending
from harness.parse.fast.templated import Templated
from harness.parse.finish import runs_of
from harness.parse.format import Format
from harness.parse.formats import FACTS_ONLY, FORMATS
from harness.parse.formats.pattern import Pattern
from harness.parse.offering import Offering
from harness.parse.text import Chunk, chunks

BULK_AFTER = 4_000_000
"""Bytes from which on a log counts as large: line by line they take half a second, and so does
loading what reads in bulk. Less than `CHUNK_BYTES`, so that a large log is so from its start."""
BULK_AFTER_LOADED = 1 << 18
"""The same, once that is loaded, and for lines that are cut by templates."""


def parse_log(
    text: Iterable[str | bytes],
    *,
    source: str,
    pattern: str | None = None,
    bulk_after: int | None = None,
    formats: Sequence[Callable[[], Format]] = (),
) -> Run:
    """What a log says, in one pass; only numbers and facts are kept.

    `text` is the log in pieces, cut anywhere. Bytes may be UTF-8, UTF-16, GBK or a mixture. A last
    line without line end was cut off while it was written, and its last number is not trusted. A
    carriage return inside a line (a progress bar) splits it. `pattern` is a user's own format.
    From `bulk_after` bytes on a log is read in bulk, which changes its speed alone. `formats` are
    more formats, which are asked before the fallback ones.

    Raises:
        ParseError: the log is empty, is not text, holds no record of any known format, or holds
            several runs.
        PolicyError: `pattern` is none.
    """
    first, *others = parse_logs(
        text, source=source, pattern=pattern, bulk_after=bulk_after, formats=formats
    )
    if others:
        msg = (
            f"holds {len(others) + 1} runs (by its column `run`, or its blocks of losses); "
            "expected one. Give the file to `harness compare`, which takes it as several runs, or "
            "read it with `parse_logs`."
        )
        raise ParseError(msg, source=source)
    return first


def parse_logs(
    text: Iterable[str | bytes],
    *,
    source: str,
    pattern: str | None = None,
    bulk_after: int | None = None,
    formats: Sequence[Callable[[], Format]] = (),
) -> tuple[Run, ...]:
    """What each run of a log says, mostly one: as `parse_log`, which takes one alone.

    A table with a column `run` may hold several; their sources are `path [run 0]` and so on.

    Raises:
        ParseError, PolicyError: as `parse_log`.
    """
    reading = _Reading(pattern, formats)
    blocks = (part if isinstance(part, bytes) else part.encode("utf-8", "replace") for part in text)
    read = 0
    templates_after = BULK_AFTER_LOADED if bulk_after is None else bulk_after
    if bulk_after is None:
        bulk_after = BULK_AFTER_LOADED if is_loaded() else BULK_AFTER
    try:
        for chunk in chunks(blocks, source=source, line=reading.next_line):
            read += chunk.size
            may_match = pattern is not None  # any line of any format
            if may_match or not chunk.is_whole():
                reading.lines(chunk.joined())
            elif read >= bulk_after and (formats or has_records(chunk)):
                reading.bulk(chunk)
            elif read >= templates_after and not formats:
                reading.by_templates(chunk)
            else:
                reading.lines(chunk.joined())
        return reading.results(source)
    finally:
        reading.close()


class _Reading:
    """The state of one pass."""

    def __init__(self, pattern: str | None, formats: Sequence[Callable[[], Format]]) -> None:
        self.into = Collector()
        self._bulk = Bulk()
        own: list[Format] = [Pattern(pattern)] if pattern else []
        known = [kind() for kind in FORMATS]
        more = [kind() for kind in formats]
        self._readers = [
            *own,
            *(reader for reader in known if not reader.fallback),
            *more,
            *(reader for reader in known if reader.fallback),
        ]
        self.into.asked = tuple(reader.name for reader in self._readers)
        self.into.fallbacks = {reader.name for reader in self._readers if reader.fallback}
        self._offering = Offering(self._readers, self.into)
        self._templated = Templated(self._readers, self.into, self._feed)
        self._jobs: deque[Future[Sorted]] = deque()
        self.number = 1
        self._open = False  # the last line has no line end yet

    def next_line(self) -> int:
        """The number of the line that comes next."""
        self.finish()
        return self.number

    def lines(self, chunk: bytes) -> None:
        """Gives each line to the readers."""
        self.finish()
        *whole, last = chunk.split(b"\n")
        for raw in whole:
            self._offering.line(raw, "\n", self.number)
            self.number += 1
        self._open = bool(last)
        if last:
            self._offering.line(last, "", self.number)

    def bulk(self, chunk: Chunk) -> None:
        """Reads whole lines in bulk where they are alike, and the others one by one.

        While other threads sort this chunk, those before are taken over.
        """
        self._jobs.append(self._bulk.start(chunk))
        if len(self._jobs) > THREADS:
            self._take_over(self._jobs.popleft())

    def by_templates(self, chunk: Chunk) -> None:
        """Reads whole lines, by templates where they fit one, and the others one by one."""
        self.finish()
        self.number = self._templated.read(chunk, self.number)
        self._open = False

    def _feed(self, raw: bytes, number: int) -> str:
        """Reads a whole line, and returns the name of the format that took its last piece."""
        self.number = number
        self._offering.line(raw, "\n", number)
        return self._offering.taker

    def finish(self) -> None:
        """Takes over every chunk that is being sorted."""
        while self._jobs:
            self._take_over(self._jobs.popleft())

    def _take_over(self, job: Future[Sorted]) -> None:
        first, chunk = self.number, job.result()
        end = first + chunk.lines
        pending = Pending(chunk.matched, first, self.into) if chunk.matched else None
        self._offering.pending = pending
        for at, raw in chunk.unmatched:
            self.number = first + at
            self._offering.line(raw, "\n", self.number)
        if pending is not None:
            pending.merge(before=end)
            self._offering.pending = None
        self.number = end
        self._open = False

    def close(self) -> None:
        """Ends the other threads, and frees the room of both ways to read in bulk."""
        self._bulk.close()
        del self._templated  # it refers to this object, which would stay until a collection

    def results(self, source: str) -> tuple[Run, ...]:
        """The runs, once the log has ended."""
        into = self.into
        self.finish()
        for reader in self._readers:
            into.reader = reader.name
            reader.close(into)
            into.write()
        notes = self._offering.notes()
        if self._bulk.no_compiler:
            notes.append(
                "this large log was read line by line, since numba cannot be loaded "
                f"({self._bulk.no_compiler}); the extra [fast] reads it many times as fast"
            )
        lines = self.number - 1 + self._open
        known = [reader.name for reader in self._readers if not isinstance(reader, FACTS_ONLY)]
        return runs_of(
            into,
            source=source,
            lines=lines,
            notes=notes,
            known=known,
            nearly=self._offering.nearly,
            dropped=self._offering.dropped,
        )
