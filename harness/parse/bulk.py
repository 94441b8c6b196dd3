"""Reads the records of a large log in bulk: lines that differ in their numbers only.

A line's *shape* is the words that stand at certain places when it is cut at blanks. A CSV reader
cuts the lines and converts the columns with numbers, and the words of every line are compared with
those of the shape. Where lines of several kinds are mixed, they are told apart by what stays when
every character of a number is deleted. Lines of no known shape, and lines in whose columns
something else stands, are left to the readers of single lines. What comes out is the same; a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parse.collect import Collector
from harness.parse.number import MAX_COUNT
from harness.parse.tcappdll import MARK, WHEN, Shape, Tcappdll, shape_of
from harness.parse.track import Track, turning_points

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]

_NUMERIC = b"0123456789.+-eE"
MAX_SHAPES = 16
THREADS = 2
"""Chunks that are sorted side by side; one thread more takes them over."""
BLOCK_BYTES = 1 << 19
"""Bytes that the CSV reader takes at a time: what it builds of them then fits the cache of a core,
which is worth a factor of two."""
PROBES = 64
"""Lines of a chunk that are looked at for new shapes."""
SMALLEST = 256
"""Lines below which a stretch that a CSV reader refuses is not cut any further."""


Hot = tuple[Shape, Lines, dict[str, Any]]
"""A shape, the lines of it, and their columns by name."""


@dataclass(slots=True)
class _Stretch:
    """Records of one rank on rising lines, a column for each series; `done` are in the tracks."""

    lines: Lines
    epochs: Floats
    iterations: Lines
    columns: list[tuple[Track, Floats]]
    done: int = 0

    def up_to(self, line: int) -> bool:
        """Adds the records of lines before this one; whether there were any."""
        end = int(np.searchsorted(self.lines, line))
        if end == self.done:
            return False
        part = slice(self.done, end)
        lines, epochs, iterations = self.lines[part], self.epochs[part], self.iterations[part]
        turns = turning_points(epochs, iterations)
        for track, values in self.columns:
            track.add_many(lines, epochs, iterations, values[part], turns)
        self.done = end
        return True

    def at(self) -> int:
        """The line of the last record added."""
        return int(self.lines[self.done - 1])

    def last_step(self) -> int:
        """The step of the last record added."""
        return self.columns[-1][0].steps[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A chunk of whole lines: columns of those that are alike, and the others as they are.

    `hot` holds a shape, the lines (n,) counted from 0 in the chunk, and their columns by name.
    """

    lines: int
    hot: list[Hot]
    cold: list[tuple[int, bytes]]

    def hand_over(self, first_line: int, into: Collector) -> Iterator[tuple[int, bytes]]:
        """The lines that are left to single-line readers, with their numbers in the log.

        The other records wait in `into.catch_up`, which adds those before a line; all of them are
        added when this iterator ends.
        """
        stretches = _stretches(self.hot, first_line, into)
        into.catch_up = _Ahead(stretches, into) if stretches else None
        for line, raw in self.cold:
            yield first_line + line, raw
        if into.catch_up is not None:
            into.catch_up(first_line + self.lines)
            into.catch_up = None


class _Ahead:
    """Adds the records of lines before a given one, when it is asked to."""

    def __init__(self, stretches: list[_Stretch], into: Collector) -> None:
        self._stretches = stretches
        self._into = into
        self._line = 0

    def __call__(self, line: int) -> None:
        if line <= self._line:
            return
        self._line = line
        latest = None
        for stretch in self._stretches:
            if stretch.up_to(line) and (latest is None or stretch.at() > latest.at()):
                latest = stretch
        if latest is not None:
            self._into.last_step = latest.last_step()


class Bulk:
    """Knows the shapes seen so far, and sorts chunks of whole lines by them in other threads.

    The threads share what they have learned. It decides how fast a chunk is sorted, not how.
    """

    def __init__(self) -> None:
        self._shapes: dict[bytes, Shape] = {}
        self._usual: Shape | None = None
        self._threads: ThreadPoolExecutor | None = None

    def start(self, chunk: bytes) -> Future[Sorted]:
        """Begins with a chunk that ends with a line end."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS)
        return self._threads.submit(self._sort, chunk)

    def close(self) -> None:
        """Lets the threads go."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _sort(self, chunk: bytes) -> Sorted:
        if (usual := self._usual) is not None:
            last = chunk.rfind(b"\n", 0, -1) + 1
            table = _table(memoryview(chunk)[:last], usual) if last else None
            if table is not None:
                rows = np.arange(table["rank"].size)
                cold = [(rows.size, chunk[last:-1])]
                return Sorted(lines=rows.size + 1, hot=[(usual, rows, table)], cold=cold)
        ends = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == ord("\n")) + 1
        starts = np.concatenate([[0], ends[:-1]])
        self._learn(chunk, starts, ends)
        hot: list[Hot] = []
        is_cold = np.ones(ends.size, dtype=bool)
        for shape, rows in self._by_shape(chunk, ends.size):
            for at, table in _tables(_joined(chunk, rows, starts, ends), shape, rows):
                hot.append((shape, at, table))
                is_cold[at] = False
        at = np.flatnonzero(is_cold)
        self._usual = hot[0][0] if len(hot) == at.size == 1 else None
        cold = [(i, chunk[starts[i] : ends[i] - 1]) for i in at.tolist()]
        return Sorted(lines=ends.size, hot=hot, cold=cold)

    def _learn(self, chunk: bytes, starts: Lines, ends: Lines) -> None:
        for i in range(min(PROBES, ends.size)):
            raw = chunk[starts[i] : ends[i]]
            if len(self._shapes) < MAX_SHAPES and raw.startswith(MARK.encode()) and raw.isascii():
                key = raw.translate(None, _NUMERIC).removesuffix(b"\n")
                if key not in self._shapes and (shape := shape_of(raw.decode("ascii"))):
                    self._shapes = {**self._shapes, key: shape}

    def _by_shape(self, chunk: bytes, lines: int) -> list[tuple[Shape, Lines]]:
        """The lines of each known shape, but for the last one and any before a line of no shape.

        What follows a record may be the rest of it, and only single-line readers know how to tell.
        """
        shapes = self._shapes
        if not shapes:
            return []
        index = {key: i for i, key in enumerate(shapes)}
        residue = chunk.translate(None, _NUMERIC).split(b"\n")[:lines]
        which = np.fromiter((index.get(line, -1) for line in residue), np.int64, lines)
        which[np.append(which[1:], -1) < 0] = -1
        kinds = enumerate(shapes.values())
        found = [(shape, np.flatnonzero(which == i)) for i, shape in kinds]
        return [(shape, rows) for shape, rows in found if rows.size]


def _stretches(hot: list[Hot], first_line: int, into: Collector) -> list[_Stretch]:
    """The records of each rank; where its lines have several shapes, series by series."""
    into.reader, into.reader_is_fallback = Tcappdll.name, False
    found: dict[tuple[int, tuple[str, ...]], _Stretch] = {}
    parts: dict[tuple[str, int], list[_Part]] = {}
    units: dict[tuple[str, int], tuple[int, str]] = {}
    for shape, rows, table in hot:
        into.claim(into.reader, line=first_line + int(rows[0]))
        for rank, part in _by_rank(rows + first_line, table):
            for name, unit, _, _ in shape.fields:
                parts.setdefault((name, rank), []).append((*part[:3], part[3][name]))
                mine = int(part[0][0]), unit
                units[name, rank] = min(units.get((name, rank), mine), mine)
    for (name, rank), several in parts.items():
        track = into.track(name, rank=rank, unit=units[name, rank][1])
        if track is None:
            into.skip(first_line, name, "no place for the records of this series")
            continue
        lines, epochs, iterations, values = _in_order(several)
        key = (rank, () if len(several) == 1 else (name,))
        stretch = found.setdefault(key, _Stretch(lines, epochs, iterations, []))
        if stretch.lines is not lines:  # another shape of the same rank: a stretch of its own
            stretch = found[rank, (name,)] = _Stretch(lines, epochs, iterations, [])
        stretch.columns.append((track, values))
    return list(found.values())


_Part = tuple[Lines, Floats, Lines, Floats]
"""Lines, epochs, iterations and values of one series."""


def _by_rank(
    lines: Lines, table: dict[str, Any]
) -> Iterator[tuple[int, tuple[Lines, Floats, Lines, dict[str, Floats]]]]:
    """The columns of each rank, in the order of their lines."""
    ranks = np.maximum(table["rank"], 0)
    kinds = np.unique(ranks).tolist()
    order = (
        slice(None) if len(kinds) == 1 else np.argsort(ranks.astype(_small(kinds)), kind="stable")
    )
    columns = {name: column[order] for name, column in table.items()}
    lines, ranks = lines[order], ranks[order]
    for rank in kinds:
        mine = slice(*np.searchsorted(ranks, [rank, rank + 1]).tolist())
        values = {name: column[mine] for name, column in columns.items()}
        yield rank, (lines[mine], values["epoch"], values["iteration"], values)


def _in_order(parts: list[_Part]) -> _Part:
    """Records of several shapes merged in the order of their lines."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*parts, strict=True)
    lines, epochs, iterations, values = (np.concatenate(column) for column in columns)
    order = np.argsort(lines, kind="stable")
    return lines[order], epochs[order], iterations[order], values[order]


def _joined(chunk: bytes, rows: Lines, starts: Lines, ends: Lines) -> bytes | memoryview:
    """The lines of these rows one after the other."""
    if rows.size and rows[-1] - rows[0] + 1 == rows.size:
        return memoryview(chunk)[starts[rows[0]] : ends[rows[-1]]]
    keep = np.zeros(ends.size, dtype=bool)
    keep[rows] = True
    mask = np.repeat(keep, ends - starts)
    joined: bytes = np.frombuffer(chunk, dtype=np.uint8)[: mask.size][mask].tobytes()
    return joined


def _small(kinds: list[int]) -> type[np.generic]:
    """The type in which these ranks are sorted fastest."""
    return np.int16 if kinds[-1] < 1 << 15 else np.int64


def _tables(
    text: bytes | memoryview, shape: Shape, rows: Lines
) -> list[tuple[Lines, dict[str, Any]]]:
    """The columns of the lines, cut into stretches where something in them is not as it should."""
    table = _table(text, shape)
    if table is not None and table["rank"].size == rows.size:
        return [(rows, table)]
    if rows.size <= SMALLEST:
        return []
    half = rows.size // 2
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
    cut = int(ends[half - 1])
    return [*_tables(text[:cut], shape, rows[:half]), *_tables(text[cut:], shape, rows[half:])]


def _table(text: bytes | memoryview, shape: Shape) -> dict[str, Any] | None:
    """The columns of whole lines by name; None if any line has something else in its places."""
    import pyarrow as pa  # noqa: PLC0415  (a tenth of a second, only large logs need it)
    from pyarrow import csv  # noqa: PLC0415

    numbers = {"epoch": shape.epoch, "iteration": shape.iteration, "rank": shape.rank}
    kinds = {shape.epoch: pa.float64(), shape.iteration: pa.int64(), shape.rank: pa.int64()}
    for name, _, _, value_at in shape.fields:
        numbers[name] = value_at
        kinds[value_at] = pa.float64()
    for at in WHEN:
        kinds[at] = pa.binary()
    for at, word in shape.words:
        kinds[at] = pa.binary(len(word)) if word else pa.null()
    columns = {str(at): kind for at, kind in kinds.items()}
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(text)),
            read_options=csv.ReadOptions(
                use_threads=False,  # chunks are read side by side, which leaves less to wait for
                block_size=BLOCK_BYTES,
                column_names=[str(i) for i in range(shape.columns)],
            ),
            parse_options=csv.ParseOptions(
                delimiter=" ", quote_char=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=columns, include_columns=list(columns), null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        return None
    if not _controls_end_lines(text, table.num_rows) or not all(
        _is_clock(table.column(str(at))) for at in WHEN
    ):
        return None
    for at, word in shape.words:
        if word and not _all_are(table.column(str(at)), word.encode()):
            return None
    found = {}
    for name, at in numbers.items():
        column = table.column(str(at))
        if column.null_count:
            return None
        found[name] = column.to_numpy()
    sane = [
        0 <= found["epoch"].min() <= found["epoch"].max() <= MAX_COUNT,
        0 <= found["iteration"].min() <= found["iteration"].max() <= MAX_COUNT,
        found["rank"].max() <= MAX_COUNT,
    ]
    return found if all(sane) else None


def _controls_end_lines(text: bytes | memoryview, lines: int) -> bool:
    """Whether there is no control character but the line ends: a CSV reader ignores tabs."""
    seen = np.frombuffer(text, dtype=np.uint8)
    controls = int(np.count_nonzero(seen < ord(" ")))
    if controls == lines:
        return True
    at = np.flatnonzero(seen == ord("\r"))
    follows = seen[at + 1] == ord("\n") if at.size and at[-1] + 1 < seen.size else at[:0]
    return controls == 2 * lines and at.size == lines and bool(np.all(follows))


def _is_clock(column: Any) -> bool:
    """Whether a column of dates or times has digits and their separators alone, `+,-./0-9:`."""
    for part in column.chunks:
        data = np.frombuffer(part.buffers()[2] or b"", dtype=np.uint8)
        if part.null_count or not data.size or data.min() < ord("+") or data.max() > ord(":"):
            return False
    return True


def _all_are(column: Any, word: bytes) -> bool:
    """Whether every cell of a column of fixed width is this word."""
    for part in column.chunks:
        start = part.offset * len(word)
        cells = part.buffers()[1].to_pybytes()[start : start + len(part) * len(word)]
        if part.null_count or cells != word * len(part):
            return False
    return True
