"""The one pass over a log: chunks of bytes -> lines -> the first format that takes each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from math import nan

from harness.errors import ParseError
from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.dropped import Dropped
from harness.parse.fast.bulk import THREADS, Bulk, Sorted, has_records, is_loaded
from harness.parse.fast.pending import Pending
from harness.parse.fast.templated import Templated
from harness.parse.finish import runs_of
from harness.parse.format import Format
from harness.parse.formats import AS_SPELLED, FACTS_ONLY, FORMATS
from harness.parse.formats.columns import Columns
from harness.parse.formats.pattern import Pattern
from harness.parse.line import Line
from harness.parse.nearly import Nearly
from harness.parse.text import Chunk, chunks, decoded, pieces

BULK_AFTER = 4_000_000
"""Bytes from which on a log counts as large: line by line they take half a second, and so does
loading what reads in bulk. Less than `CHUNK_BYTES`, so that a large log is so from its start."""
BULK_AFTER_LOADED = 1 << 18
"""The same, once that is loaded, and for lines that are cut by templates."""
MAX_ALIKE = 100
"""Lines in a row that are blank, or equal and of no format, and are looked at; more say nothing."""
LONG_LINE = 1 << 16
"""Characters beyond which only formats that can hold that much see a line."""


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
        self._templated = Templated(self._readers, self.into, self._feed)
        self._jobs: deque[Future[Sorted]] = deque()
        self._pending: Pending | None = None
        self.number = 1
        self._open = False  # the last line has no line end yet
        self._foreign = 0
        self._alike = 0
        self._before = b""
        self._taken = False
        self._taker = ""
        self._unread = 0
        self._nearly: Nearly | None = Nearly()  # until a format has a record
        self._dropped = Dropped()

    def next_line(self) -> int:
        """The number of the line that comes next."""
        self.finish()
        return self.number

    def lines(self, chunk: bytes) -> None:
        """Gives each line to the readers."""
        self.finish()
        *whole, last = chunk.split(b"\n")
        for raw in whole:
            self._line(raw, "\n")
            self.number += 1
        self._open = bool(last)
        if last:
            self._line(last, "")

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
        self.number, self._taker = number, ""
        self._line(raw, "\n")
        return self._taker

    def finish(self) -> None:
        """Takes over every chunk that is being sorted."""
        while self._jobs:
            self._take_over(self._jobs.popleft())

    def _take_over(self, job: Future[Sorted]) -> None:
        first, chunk = self.number, job.result()
        end = first + chunk.lines
        self._pending = Pending(chunk.matched, first, self.into) if chunk.matched else None
        for at, raw in chunk.unmatched:
            self.number = first + at
            self._line(raw, "\n")
        if self._pending is not None:
            self._pending.merge(before=end)
            self._pending = None
        self.number = end
        self._open = False

    def close(self) -> None:
        """Ends the other threads, and frees the room of both ways to read in bulk."""
        self._bulk.close()
        del self._templated  # it refers to this object, which would stay until a collection

    def _line(self, raw: bytes, end: str) -> None:
        if self._is_more_of_the_same(raw):
            return
        line, was_utf8 = decoded(raw)
        self._foreign += not was_utf8
        into = self.into
        into.line = self.number
        self._taken = False
        before, alike = "", 0
        for piece in pieces(line + end):
            alike = alike + 1 if piece == before else 0
            before = piece
            if alike > MAX_ALIKE and (not self._taken or piece.isspace()):
                continue
            self._taken = self._piece(piece)

    def _piece(self, piece: str) -> bool:
        """Offers a line to each format, and writes its records; returns whether one took it."""
        odd: list[str] = []
        line = Line.respelled(self.number, piece, odd)
        reader = self._reader_of(line)
        if reader is None:
            self._dropped.add(self.number, piece)
        elif odd and not isinstance(reader, (*FACTS_ONLY, *AS_SPELLED)):
            for was in odd:
                self.into.odd("", was, nan, piece)
        if self.into.waiting:
            if self._pending is not None:
                self._pending.merge(before=self.number)
            self.into.write()
            if not isinstance(reader, Columns):  # which may take its records back
                self._nearly = None
        elif self._nearly is not None and not isinstance(reader, FACTS_ONLY):
            self._nearly.add(self.number, piece)
        self._taker = "" if reader is None else reader.name
        return reader is not None

    def _reader_of(self, line: Line) -> Format | None:
        """The first format that takes a line; None if none does."""
        into = self.into
        long = len(line.text) > LONG_LINE
        for reader in self._readers:
            if long and not reader.long_lines:
                continue
            into.reader = reader.name
            if reader.feed(line, into):
                into.lines.add(reader.name, self.number)
                return reader
        self._unread += long
        return None

    def _is_more_of_the_same(self, raw: bytes) -> bool:
        """Whether many lines in a row are blank, or equal one another and are of no format."""
        if not raw.strip():
            raw = b""
        if raw == self._before and (not raw or not self._taken):
            self._alike += 1
        else:
            self._alike = 0
        self._before = raw
        return self._alike > MAX_ALIKE

    def results(self, source: str) -> tuple[Run, ...]:
        """The runs, once the log has ended."""
        into = self.into
        self.finish()
        for reader in self._readers:
            into.reader = reader.name
            reader.close(into)
            into.write()
        notes = []
        if self._foreign:
            notes.append(f"{self._foreign} lines are not UTF-8; read as GBK where they are that")
        if self._unread:
            notes.append(f"{self._unread} lines of more than {LONG_LINE} characters are not read")
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
            nearly=self._nearly,
            dropped=self._dropped,
        )
