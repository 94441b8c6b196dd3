"""Reads the records of a large log in bulk: lines that differ in their numbers only.

Lines of a known *shape*, which is the words that stand between their numbers, are cut by a compiled
pass over a chunk, in threads of their own. Lines of no known shape, and lines in whose places
something else stands, are left to the readers of single lines. What comes out is the same; a test
compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.parse.collect import Collector
from harness.parse.stretches import Ahead, Records, stretches
from harness.parse.tcappdll import MARK, Shape, shape_of

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]

MAX_SHAPES = 16
THREADS = 2
"""Chunks that are sorted side by side; one thread more takes them over."""
PROBES = 8
"""Lines looked at for new shapes at the start of those that have none, and again among the rest."""
LINE, START, END, SHAPE, FIRST, ITERATION, RANK = range(7)
"""Columns of a row: its line, its bytes, its shape, where its numbers begin, and its counters."""
_NO_ROWS = np.empty((0, 7), dtype=np.int64)
_ALWAYS_COLD = 2
"""The last line of a chunk, and the one before it."""
_START = 1 << 16
"""Bytes of a chunk in which the first shapes are looked for before it is cut."""
_FEW = 1 << 16
"""Kinds of records that numpy sorts by counting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A chunk of whole lines: the records of those that are alike, and the others as they are.

    Lines are counted from 0 in the chunk.
    """

    lines: int
    hot: list[Records]
    cold: list[tuple[int, bytes]]

    def hand_over(self, first_line: int, into: Collector) -> Iterator[tuple[int, bytes]]:
        """The lines that are left to single-line readers, with their numbers in the log.

        The other records wait in `into.catch_up`, which adds those before a line; all of them are
        added when this iterator ends.
        """
        found = stretches(self.hot, first_line, into)
        into.catch_up = Ahead(found, into) if found else None
        for line, raw in self.cold:
            yield first_line + line, raw
        if into.catch_up is not None:
            into.catch_up(first_line + self.lines)
            into.catch_up = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Room:
    """What `cutter.cut` fills in, for a chunk of at most `size` bytes."""

    size: int
    rows: Lines
    decimals: NDArray[np.uint64]
    powers: NDArray[np.int16]
    late: Lines


class _Plan:
    """Shapes as the compiled pass wants them (see `cutter.cut`)."""

    def __init__(self, shapes: tuple[Shape, ...] = ()) -> None:
        self.shapes = shapes
        places: list[tuple[int, int, int]] = []
        firsts, words = [0], b""
        for shape in shapes:
            for word in shape.words:
                begin, wide = len(words) // 8, -(-len(word) // 8)
                words += word.encode("ascii").ljust(8 * wide, b"\0")
                places.append((begin, begin + wide, len(word)))
            firsts.append(len(places))
        self._places = np.array(places, dtype=np.int64).reshape(-1, 3)
        self._firsts = np.array(firsts, dtype=np.int64)
        known = np.frombuffer(words, dtype=np.uint8)
        both = [known, np.where(known, 255, 0).astype(np.uint8)]
        self._words = np.stack([part.view("<u8").astype(np.uint64) for part in both], axis=1)
        sizes = [sum(map(len, shape.words)) + len(shape.words) for shape in shapes]
        self._shortest = min(sizes, default=1)
        self._spare: list[_Room] = []
        widths = [len(shape.fields) + 1 for shape in shapes]
        self._widest = max(widths, default=0)
        self._density = max((n / size for n, size in zip(widths, sizes, strict=True)), default=0.0)

    def sort(self, chunk: bytes) -> Sorted:
        """The lines of a chunk, which ends with a line end."""
        if not self.shapes:
            cold = list(_between(chunk, _NO_ROWS))
            return Sorted(lines=cold[-1][0] + 1, hot=[], cold=cold)
        room = self._room(len(chunk))
        rows, numbers = self._cut(chunk, room)
        cold = list(_between(chunk, rows))
        found = Sorted(lines=cold[-1][0] + 1, hot=self._records(rows, numbers), cold=cold)
        self._spare.append(room)
        return found

    def _room(self, size: int) -> _Room:
        """Room for the numbers of a chunk of so many bytes; that of an earlier one if it will do.

        Fresh memory for every chunk would take a fifth of the time.
        """
        try:
            room = self._spare.pop()
        except IndexError:
            room = None
        if room is None or room.size < size:
            size = (size >> 20) + 1 << 20
            most = int(size * self._density) + 2 * self._widest
            room = _Room(
                size=size,
                rows=np.empty((size // self._shortest + 2, _NO_ROWS.shape[1]), dtype=np.int64),
                decimals=np.empty(most, dtype=np.uint64),
                powers=np.empty(most, dtype=np.int16),
                late=np.empty((most, 3), dtype=np.int64),
            )
        return room

    def _cut(self, chunk: bytes, room: _Room) -> tuple[Lines, Floats]:
        """The rows of a chunk's records, and their numbers one after the other, in this room."""
        from harness.parse.cutter import cut  # noqa: PLC0415  (loads numba)
        from harness.parse.decimals import to_floats  # noqa: PLC0415

        n_rows, n, n_late = cut(
            np.frombuffer(chunk, dtype=np.uint8),
            chunk.rfind(b"\n", 0, -1) + 1,
            self._places,
            self._firsts,
            self._words,
            room.rows,
            room.decimals,
            room.powers,
            room.late,
        )
        to_floats(room.decimals[:n], room.powers[:n])
        numbers = room.decimals[:n].view(np.float64)
        for at, start, end in room.late[:n_late].tolist():
            numbers[at] = float(chunk[start:end])
        return room.rows[:n_rows], numbers

    def _records(self, rows: Lines, numbers: Floats) -> list[Records]:
        """The records of each shape and rank."""
        if not rows.size:
            return []
        kinds = rows[:, SHAPE] * (rows[:, RANK].max() + 1) + rows[:, RANK]
        order = np.argsort(kinds.astype(np.uint16) if kinds.max() < _FEW else kinds, kind="stable")
        rows, kinds = (
            rows.take(order, axis=0),
            kinds[order],
        )  # `rows[order]` takes three times as long
        bounds = [0, *(np.flatnonzero(kinds[1:] != kinds[:-1]) + 1).tolist(), kinds.size]
        found = []
        for part in (rows[a:b] for a, b in pairwise(bounds)):
            shape, first = self.shapes[part[0, SHAPE]], part[:, FIRST]
            found.append(
                Records(
                    shape=shape,
                    rank=int(part[0, RANK]),
                    lines=part[:, LINE].copy(),
                    epochs=numbers.take(first),
                    iterations=part[:, ITERATION].copy(),
                    values=tuple(numbers.take(first + i + 1) for i in range(len(shape.fields))),
                )
            )
        return found


class Bulk:
    """Knows the shapes seen so far, and sorts chunks of whole lines by them in other threads.

    The threads share what they have learned. It decides how fast a chunk is sorted, not how.
    """

    def __init__(self) -> None:
        self._plan = _Plan()
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
        if not self._plan.shapes:
            self._learn(chunk[:_START].split(b"\n")[:-1])
        plan = self._plan
        found = plan.sort(chunk)
        if len(found.cold) > _ALWAYS_COLD and self._learn(raw for _, raw in found.cold):
            found = self._plan.sort(chunk)
        return found

    def _learn(self, lines: Iterable[bytes]) -> bool:
        """Looks for new shapes among some of these lines; whether there are any."""
        known = self._plan.shapes
        shapes = _with_new(known, lines)
        if len(shapes) > len(known):
            self._plan = _Plan(shapes)
        return len(shapes) > len(known)


def is_loaded() -> bool:
    """Whether what is compiled has been loaded in this process."""
    return "harness.parse.cutter" in sys.modules


def _with_new(shapes: tuple[Shape, ...], lines: Iterable[bytes]) -> tuple[Shape, ...]:
    """These shapes, and those of some of these lines."""
    found = dict.fromkeys(shapes)
    marked = [raw for raw in lines if raw.startswith(MARK.encode())]
    for raw in [*marked[:PROBES], *marked[PROBES :: len(marked) // PROBES + 1]]:
        if len(found) < MAX_SHAPES and raw.isascii():
            shape = shape_of(raw.decode("ascii") + "\n")
            if shape is not None:
                found[shape] = None
    return tuple(found)


def _between(chunk: bytes, rows: Lines) -> Iterator[tuple[int, bytes]]:
    """The lines before, between and behind these rows, with their numbers."""
    begin, end = np.append(0, rows[:, END]), np.append(rows[:, START], len(chunk))
    lines = np.append(0, rows[:, LINE] + 1)
    gaps = np.flatnonzero(begin < end)
    for i in gaps.tolist():
        yield from enumerate(chunk[begin[i] : end[i] - 1].split(b"\n"), int(lines[i]))
