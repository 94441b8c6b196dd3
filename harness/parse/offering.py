"""Offers each line of a log to the formats: the first that takes it has it."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from harness.parse.collect import Collector
from harness.parse.dropped import Dropped
from harness.parse.fast.pending import Pending
from harness.parse.format import Format
from harness.parse.formats import AS_SPELLED, FACTS_ONLY
from harness.parse.formats.columns import Columns
from harness.parse.line import Line
from harness.parse.nearly import Nearly
from harness.parse.text import decoded, pieces

MAX_ALIKE = 100
"""Lines in a row that are blank, or equal and of no format, and are looked at; more say nothing."""
LONG_LINE = 1 << 16
"""Characters beyond which only formats that can hold that much see a line."""


class Offering:
    """Offers lines to the formats, which hand their records to `into`.

    `taker` is the name of the format that took the last piece of a line, empty without one.
    `pending` are records of other lines that were read in bulk; those before a line are added
    first. `nearly` keeps lines that nearly fit a format, until a format has a record. `dropped`
    counts lines with figures that no format took.
    """

    def __init__(self, readers: Sequence[Format], into: Collector) -> None:
        self.taker = ""
        self.pending: Pending | None = None
        self.nearly: Nearly | None = Nearly()
        self.dropped = Dropped()
        self._readers, self._into = readers, into
        self._foreign = self._unread = 0
        self._alike = 0
        self._before = b""
        self._taken = False

    def line(self, raw: bytes, end: str, number: int) -> None:
        """Offers a line with this number; `end` is its line end, empty where it was cut off."""
        self.taker = ""
        if self._is_more_of_the_same(raw):
            return
        line, was_utf8 = decoded(raw)
        self._foreign += not was_utf8
        self._into.line = number
        self._taken = False
        before, alike = "", 0
        for piece in pieces(line + end):
            alike = alike + 1 if piece == before else 0
            before = piece
            if alike > MAX_ALIKE and (not self._taken or piece.isspace()):
                continue
            self._taken = self._piece(piece, number)

    def notes(self) -> list[str]:
        """Returns remarks on lines that are not UTF-8, or that no format was given."""
        notes = []
        if self._foreign:
            notes.append(f"{self._foreign} lines are not UTF-8; read as GBK where they are that")
        if self._unread:
            notes.append(f"{self._unread} lines of more than {LONG_LINE} characters are not read")
        return notes

    def _piece(self, piece: str, number: int) -> bool:
        """Offers a line to each format, and writes its records; returns whether one took it."""
        odd: list[str] = []
        line = Line.respelled(number, piece, odd)
        reader = self._reader_of(line)
        if reader is None:
            self.dropped.add(number, piece)
        elif odd and not isinstance(reader, (*FACTS_ONLY, *AS_SPELLED)):
            for was in odd:
                self._into.odd("", was, nan, piece)
        if self._into.waiting:
            if self.pending is not None:
                self.pending.merge(before=number)
            self._into.write()
            if not isinstance(reader, Columns):  # which may take its records back
                self.nearly = None
        elif self.nearly is not None and not isinstance(reader, FACTS_ONLY):
            self.nearly.add(number, piece)
        self.taker = "" if reader is None else reader.name
        return reader is not None

    def _reader_of(self, line: Line) -> Format | None:
        """The first format that takes a line; None if none does."""
        into = self._into
        long = len(line.text) > LONG_LINE
        for reader in self._readers:
            if long and not reader.long_lines:
                continue
            into.reader = reader.name
            if reader.feed(line, into):
                into.lines.add(reader.name, line.number)
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
