"""The one pass over a log: chunks of bytes -> lines -> the first format that takes each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from math import nan

from harness.errors import ParseError
from harness.log.run import Run
from harness.parse.blocks.arguments import Arguments
from harness.parse.blocks.config_block import ConfigBlock
from harness.parse.blocks.environment import Environment
from harness.parse.blocks.launch import Launch
from harness.parse.collect import Collector, Format
from harness.parse.derive import derive
from harness.parse.fast.bulk import THREADS, Bulk, Sorted, is_loaded
from harness.parse.formats.columns import Columns
from harness.parse.formats.csv_table import CsvTable
from harness.parse.formats.hf_state import HfState
from harness.parse.formats.hf_trainer import HfTrainer
from harness.parse.formats.json_lines import JsonLines
from harness.parse.formats.megatron import Megatron
from harness.parse.formats.mllog import Mllog
from harness.parse.formats.mmcv_json import MmcvJson
from harness.parse.formats.mmcv_text import MmcvText
from harness.parse.formats.mmengine_text import MmengineText
from harness.parse.formats.pattern import Pattern
from harness.parse.formats.scalars_json import ScalarsJson
from harness.parse.formats.tcappdll import Tcappdll
from harness.parse.formats.tcappdll_json import TcappdllJson
from harness.parse.grammar.reader import Grammar
from harness.parse.text import Chunk, chunks, decoded, pieces
from harness.parse.tokens import respelled, unwrapped

FORMATS: tuple[type[Format], ...] = (
    ConfigBlock,
    TcappdllJson,
    Tcappdll,
    MmengineText,
    MmcvText,
    HfTrainer,
    Megatron,
    Mllog,
    MmcvJson,
    ScalarsJson,
    HfState,
    JsonLines,
    Arguments,
    Launch,
    Environment,
    CsvTable,
    Columns,
    Grammar,
)
"""Asked in this order; the first that takes a line has it."""
FACTS_ONLY = (ConfigBlock, Arguments, Launch, Environment)
"""Blocks that state facts and hold no record."""
OF_JSON = (Mllog, MmcvJson, ScalarsJson, HfState, JsonLines)
"""Those that see a value as it is spelled, and say so themselves."""

BULK_AFTER = 4_000_000
"""Bytes from which on a log counts as large: line by line they take half a second, and so does
loading what reads in bulk. Less than `CHUNK_BYTES`, so that a large log is so from its start."""
BULK_AFTER_LOADED = 1 << 18
"""The same, once that is loaded."""
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
) -> Run:
    """What a log says, in one pass; only numbers and facts are kept.

    `text` is the log in pieces, cut anywhere. Bytes may be UTF-8, UTF-16, GBK or a mixture. A last
    line without line end was cut off while it was written, and its last number is not trusted. A
    carriage return inside a line (a progress bar) splits it. `pattern` is a user's own format.
    From `bulk_after` bytes on a log is read in bulk, which changes its speed alone.

    Raises:
        ParseError: the log is empty, is not text, holds no record of any known format, or holds
            several runs.
        PolicyError: `pattern` is none.
    """
    first, *others = parse_logs(text, source=source, pattern=pattern, bulk_after=bulk_after)
    if others:
        msg = (
            f"holds {len(others) + 1} runs (its column `run`); expected one. Give the file to "
            "`harness compare`, which takes it as several runs, or read it with `parse_logs`."
        )
        raise ParseError(msg, source=source)
    return first


def parse_logs(
    text: Iterable[str | bytes],
    *,
    source: str,
    pattern: str | None = None,
    bulk_after: int | None = None,
) -> tuple[Run, ...]:
    """What each run of a log says, mostly one: as `parse_log`, which takes one alone.

    A table with a column `run` may hold several; their sources are `path [run 0]` and so on.

    Raises:
        ParseError, PolicyError: as `parse_log`.
    """
    reading = _Reading(pattern)
    blocks = (part if isinstance(part, bytes) else part.encode("utf-8", "replace") for part in text)
    read = 0
    if bulk_after is None:
        bulk_after = BULK_AFTER_LOADED if is_loaded() else BULK_AFTER
    try:
        for chunk in chunks(blocks, source=source, line=reading.next_line):
            read += chunk.size
            may_match = pattern is not None  # any line of any format
            if read < bulk_after or may_match or not chunk.is_whole():
                reading.lines(chunk.joined())
            else:
                reading.bulk(chunk)
        return reading.results(source)
    finally:
        reading.close()


class _Reading:
    """The state of one pass."""

    def __init__(self, pattern: str | None) -> None:
        self.into = Collector()
        self._bulk = Bulk()
        own: list[Format] = [Pattern(pattern)] if pattern else []
        self._readers = [*own, *(kind() for kind in FORMATS)]
        self.into.fallbacks = {reader.name for reader in self._readers if reader.fallback}
        self._jobs: deque[Future[Sorted]] = deque()
        self.number = 1
        self._open = False  # the last line has no line end yet
        self._foreign = 0
        self._alike = 0
        self._before = b""
        self._taken = False
        self._unread = 0

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

    def finish(self) -> None:
        """Takes over every chunk that is being sorted."""
        while self._jobs:
            self._take_over(self._jobs.popleft())

    def _take_over(self, job: Future[Sorted]) -> None:
        first, found = self.number, job.result()
        for number, raw in found.hand_over(first, self.into):
            self.number = number
            self._line(raw, "\n")
        self.number = first + found.lines
        self._open = False

    def close(self) -> None:
        """Ends the other threads."""
        self._bulk.close()

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
            self._taken = False
            odd: list[str] = []
            inner = unwrapped(piece, odd)
            part = respelled(inner, odd)
            long = len(part) > LONG_LINE
            for reader in self._readers:
                if long and not reader.long_lines:
                    continue
                into.reader, into.reader_is_fallback = reader.name, reader.fallback
                if isinstance(reader, OF_JSON):
                    taken = reader.feed(self.number, inner, into)
                elif isinstance(reader, Pattern):
                    taken = reader.feed(self.number, piece, into)
                else:
                    taken = reader.feed(self.number, part, into)
                if taken:
                    self._taken = True
                    self._tell(reader, piece, odd)
                    break
            else:
                self._unread += long

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

    def _tell(self, reader: Format, line: str, odd: list[str]) -> None:
        """Says what on a line with a record is another spelling of NaN."""
        if odd and not isinstance(reader, (*FACTS_ONLY, *OF_JSON, Pattern)):
            for was in odd:
                self.into.odd("", was, nan, line)

    def results(self, source: str) -> tuple[Run, ...]:
        """The runs, once the log has ended."""
        into = self.into
        self.finish()
        for reader in self._readers:
            into.reader, into.reader_is_fallback = reader.name, reader.fallback
            reader.close(into)
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
        if len(into.parts) < 2:
            (one,) = into.parts.values() or (into,)
            one.take_over(into)
            return (run_of(one, source=source, lines=lines, notes=notes),)
        return tuple(_part(into, label, source, lines, notes) for label in into.parts)


def _part(into: Collector, label: str, source: str, lines: int, notes: Sequence[str]) -> Run:
    part = into.parts[label]
    part.take_over(into)
    return run_of(part, source=f"{source} [run {label}]", lines=lines, notes=notes)


def run_of(into: Collector, *, source: str, lines: int, notes: Sequence[str] = ()) -> Run:
    """The run that was gathered, with what follows from its figures.

    Raises:
        ParseError: no record was, or a reader refuses the log.
    """
    series, replaced, by_order = into.settle()
    for refusal in into.refusals.values():
        raise ParseError(refusal, source=source)
    if not series:
        raise _nothing_found(lines, into, source)
    derived, remarks = derive(into.facts(), series)
    if into.skipped_count > len(into.skipped):
        remarks.append(f"{into.skipped_count} damaged records; {len(into.skipped)} are listed")
    return Run(
        source=source,
        series=series,
        replaced=replaced,
        facts=into.facts(derived),
        formats=tuple(sorted(into.formats, key=into.formats.__getitem__)),
        lines=lines,
        skipped=tuple(into.skipped),
        notes=(*into.notes, *notes, *remarks),
        by_order=by_order,
        unread_end=into.unread_end,
        epochs=into.epochs() if any(of == HfTrainer.name for of in into.formats) else None,
    )


def _nothing_found(lines: int, into: Collector, source: str) -> ParseError:
    if lines == 0:
        return ParseError("the file is empty; expected a training log.", source=source)
    if into.skipped:
        first = into.skipped[0]
        msg = f"{into.skipped_count} damaged records and no whole one; the first: {first.reason}"
        return ParseError(msg, source=source, line=first.line)
    known = ", ".join(dict.fromkeys(k.name for k in FORMATS if k not in FACTS_ONLY))
    msg = (
        f"no training record in {lines} lines; expected one of: {known}. "
        "Give the log that holds the loss of each step (`harness formats` shows a line of each)."
    )
    return ParseError(msg, source=source)
