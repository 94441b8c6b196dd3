"""Reads text whose lines fit templates, and learns the templates on the way.

Lines that fit none are given to the formats one by one. When lines of one kind have been taken so,
their template is learned, and what is left of the text is cut again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from harness.parse.collect import Collector, Record
from harness.parse.fast.bridge import Reading, take_over
from harness.parse.fast.bulk import is_loaded, why_not_compiled
from harness.parse.fast.learning import LEARNED, learn
from harness.parse.fast.rows import Rows, TextCutter
from harness.parse.fast.segments import borders_of
from harness.parse.fast.template import MAX_LINE, Template
from harness.parse.format import Format
from harness.parse.text import Chunk

MAX_TEMPLATES = 16
MAX_SOUGHT = 24
"""Templates that are sought in one log: each takes about a tenth of a second."""
MAX_KINDS = 200
"""Kinds of lines, numbers aside, that are counted before their template is sought."""
LEARN_AT = (3, 12, 48)
"""Lines of one kind after which its template is sought: a format may not be ready at first."""
COMPILE_AFTER = 1 << 23
"""Bytes read by templates from which on loading what is compiled is worth half a second."""
MIN_RUN = 16
"""Lines in a row of one template below which each is given to its format."""

_NUMBER = re.compile(rb"[\d.]+")


class _Cutter(Protocol):
    def cut(self, block: bytes, at: int, end: int) -> Rows: ...


class Templated:
    """Reads chunks of whole lines, the next of which has the number `line`.

    `feed` gives a line with its number to the formats, and returns the name of the taker.
    """

    def __init__(
        self, readers: Sequence[Format], into: Collector, feed: Callable[[bytes, int], str]
    ) -> None:
        self.line = 1
        self._readers, self._into, self._feed = readers, into, feed
        self._templates: list[Template] = []
        self._cutter: _Cutter | None = None
        self._kinds: Counter[bytes] = Counter()
        self._read = self._sought = 0
        self._compiled = self._tried = False

    def read(self, chunk: Chunk, line: int) -> int:
        """Reads a chunk whose first line has this number; returns that of the next line."""
        self.line = line
        for raw in chunk.seam[:-1].split(b"\n") if chunk.seam else ():
            self._one(raw)
        at = chunk.start
        while at < chunk.end:
            at = self._some(chunk.block, at, chunk.end)
        self._read += chunk.size
        return self.line

    def _some(self, block: bytes, at: int, end: int) -> int:
        """Reads until a template is learned, or to the end; returns where it stopped."""
        known = len(self._templates)
        if not known:
            return self._gap(block, at, end, known)
        rows = self._ready_cutter().cut(block, at, end)
        for first, behind in rows.runs():
            at = self._gap(block, at, int(rows.starts[first]), known)
            if len(self._templates) > known:
                return at
            self._run(block, rows, first, behind)
            at = int(rows.ends[behind - 1])
        return self._gap(block, at, end, known)

    def _gap(self, block: bytes, at: int, end: int, known: int) -> int:
        """Reads lines one by one until a template is learned; returns where it stopped."""
        while at < end:
            behind = block.find(b"\n", at, end)
            self._one(block[at:behind])
            at = behind + 1
            if len(self._templates) > known:
                break
        return at

    def _one(self, raw: bytes) -> None:
        """Reads one line, and seeks its template if lines of its kind come again."""
        taker = self._feed(raw, self.line)
        self.line += 1
        enough = len(self._templates) >= MAX_TEMPLATES or self._sought >= MAX_SOUGHT
        if enough or taker not in LEARNED or len(raw) > MAX_LINE:
            return
        kind = _NUMBER.sub(b"#", raw)
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            return
        self._kinds[kind] += 1
        if self._kinds[kind] in LEARN_AT and raw.isascii():
            self._sought += 1
            template = learn(self._readers, self._into, raw.decode("ascii").removesuffix("\r"))
            if template is not None and template not in self._templates:
                self._templates.append(template)
                self._cutter = None

    def _ready_cutter(self) -> _Cutter:
        """What cuts lines: compiled code for a large log, if numba can be loaded."""
        if not self._tried and (is_loaded() or self._read >= COMPILE_AFTER):
            self._tried, self._compiled = True, not why_not_compiled()
            self._cutter = None
        if self._cutter is None:
            self._cutter = TextCutter(self._templates)
            if self._compiled:
                from harness.parse.fast.linecut import LineCutter  # noqa: PLC0415  (loads numba)

                self._cutter = LineCutter(self._templates)
        return self._cutter

    def _run(self, block: bytes, rows: Rows, first: int, behind: int) -> None:
        """Takes over lines of one template that follow each other."""
        template = self._templates[int(rows.templates[first])]
        width, n = len(template.kept), behind - first
        if n < MIN_RUN:
            part = _Part(block, rows, first, self.line, self)
            for i in range(n):
                part.feed(i)
            self.line += n
            return
        at = int(rows.firsts[first])
        numbers = rows.numbers[at : at + n * width].reshape(n, width)
        borders = borders_of(template, numbers)
        for a, b in pairwise(borders):
            begin = self.line
            part = _Part(block, rows, first + a, begin, self)
            if b - a < MIN_RUN:
                for i in range(b - a):
                    part.feed(i)
            else:
                reading = Reading(self._readers, self._into, part.feed)
                take_over(template, numbers[a:b], begin, reading)
            self.line = begin + b - a

    def record_line(self, raw: bytes, line: int) -> list[Record] | None:
        """Reads a line, and returns its records; None where it does anything else to series."""
        self._into.handed_over = []
        self._feed(raw, line)
        handed, self._into.handed_over = self._into.handed_over, None
        return handed


class _Part:
    """Rows of a run, whose lines can be read one by one."""

    def __init__(self, block: bytes, rows: Rows, first: int, line: int, of: Templated) -> None:
        self._block, self._rows, self._first, self._line, self._of = block, rows, first, line, of

    def feed(self, i: int) -> list[Record] | None:
        """Reads the line of a row."""
        row = self._first + i
        raw = self._block[int(self._rows.starts[row]) : int(self._rows.ends[row]) - 1]
        return self._of.record_line(raw, self._line + i)
