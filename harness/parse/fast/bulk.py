"""Reads the records of a large log in bulk: lines that differ in their numbers only.

Lines of a known *shape*, which is the words that stand between their numbers, are cut by a compiled
pass over a chunk, in threads of their own. Lines of no known shape, and lines in whose places
something else stands, are left to the readers of single lines. What comes out is the same; a test
compares the two. The compiler is numba, an extra: without it every line is left to those readers.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.parse.fast.pending import Records
from harness.parse.fast.shape import Shape, shape_of
from harness.parse.formats.tcappdll import MARK
from harness.parse.text import Chunk

if TYPE_CHECKING:
    from harness.parse.fast.cutter import Room

Table = NDArray[np.int64]

MAX_SHAPES = 16
THREADS = 2
"""Chunks that are sorted side by side; one thread more takes them over."""
PROBES = 8
"""Lines looked at for new shapes at the start of those that have none, and again among the rest."""
_NEVER_MATCHED = 3
"""Lines of a chunk: the line that two blocks share, the last line, and the line before it."""
_LOADING = Lock()
_START = 1 << 16
"""Bytes of a chunk in which the first shapes are looked for before it is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A chunk of whole lines: the records of lines that match a shape, and the other lines.

    Lines are counted from 0 in the chunk; those of `unmatched` rise.
    """

    lines: int
    matched: list[Records]
    unmatched: Collection[tuple[int, bytes]]


class _Numbered(Collection[tuple[int, bytes]]):
    """Lines with numbers, which are made when they are asked for: a chunk may have millions."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return enumerate(self._lines)

    def __contains__(self, line: object) -> bool:
        return any(line == one for one in self)


class _Plan:
    """Shapes as the compiled pass wants them, and room for what it finds."""

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        from harness.parse.fast.cutter import Shapes  # noqa: PLC0415  (loads numba)

        self.shapes = shapes
        words = [word.encode("ascii") for shape in shapes for word in shape.words]
        eights = [-(-len(word) // 8) for word in words]
        known = b"".join(word.ljust(8 * n, b"\0") for word, n in zip(words, eights, strict=True))
        bits = np.frombuffer(known, dtype=np.uint8)
        masks = np.where(bits, 255, 0).astype(np.uint8)
        both = [part.view("<u8").astype(np.uint64) for part in (bits, masks)]
        ends = 2 * np.cumsum(eights)
        self._cut_shapes = Shapes(
            begins=ends - 2 * np.array(eights),
            ends=ends,
            bytes=np.array([len(word) for word in words]),
            firsts=np.cumsum([0, *(len(shape.words) for shape in shapes)]),
            words=np.stack(both, axis=1).ravel(),
            widest=8 * max(eights),
        )
        sizes = [sum(map(len, shape.words)) + len(shape.words) for shape in shapes]
        numbers = [len(shape.fields) + 1 for shape in shapes]
        self._shortest = min(sizes)
        self._most = max(numbers)
        self._density = max(n / size for n, size in zip(numbers, sizes, strict=True))
        self._spare: list[tuple[int, Room]] = []

    def sort(self, chunk: Chunk) -> Sorted:
        """The lines of a chunk of whole ones."""
        from harness.parse.fast.cutter import cut  # noqa: PLC0415
        from harness.parse.fast.decimals import to_floats  # noqa: PLC0415
        from harness.parse.fast.grouping import records  # noqa: PLC0415

        seam = chunk.seam[:-1].split(b"\n") if chunk.seam else []
        size, room = self._room(chunk.end - chunk.start)
        text = np.frombuffer(chunk.block, np.uint8, count=chunk.end)
        last = max(chunk.block.rfind(b"\n", chunk.start, chunk.end - 1) + 1, chunk.start)
        n, numbers, late = cut(text, chunk.start, last, len(seam), self._cut_shapes, room)
        to_floats(room.decimals[:numbers], room.powers[:numbers])
        values = room.decimals[:numbers].view(np.float64)
        for at, start, end in zip(room.late[:late], room.late_starts, room.late_ends, strict=False):
            values[at] = float(chunk.block[start:end])
        rows = (part[:n] for part in (room.lines, room.starts, room.ends))
        unmatched = [*enumerate(seam), *_between(chunk, len(seam), *rows)]
        matched = records(room, n, values, self.shapes)
        self._spare.append((size, room))
        return Sorted(lines=unmatched[-1][0] + 1, matched=matched, unmatched=unmatched)

    def _room(self, size: int) -> tuple[int, Room]:
        """Room for what is in so many bytes, and for how many it is; an earlier one if it will do.

        Fresh memory for every chunk would take a fifth of the time.
        """
        from harness.parse.fast.cutter import Room  # noqa: PLC0415

        try:
            has, room = self._spare.pop()
            if has >= size:
                return has, room
        except IndexError:  # another thread may have taken the last one
            pass
        has = (size >> 20) + 1 << 20
        rows, numbers = has // self._shortest + 2, int(has * self._density) + 2 * self._most
        return has, Room.of(rows, numbers)


class Bulk:
    """Knows the shapes seen so far, and sorts chunks of whole lines by them in other threads.

    The threads share what they have learned. It decides how fast a chunk is sorted, not how.
    `no_compiler` is why numba could not be loaded; empty where it was, or was not needed.
    """

    def __init__(self) -> None:
        self.no_compiler = ""
        self._plan: _Plan | None = None
        self._threads: ThreadPoolExecutor | None = None

    def start(self, chunk: Chunk) -> Future[Sorted]:
        """Begins with a chunk of whole lines."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS)
        return self._threads.submit(self._sort, chunk)

    def close(self) -> None:
        """Lets the threads go."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _sort(self, chunk: Chunk) -> Sorted:
        plan = self._plan
        if plan is None:
            first = chunk.block[chunk.start : min(chunk.start + _START, chunk.end)]
            plan = self._learned(first.split(b"\n")[:-1])
        if plan is None:
            unmatched = _Numbered(chunk.joined()[:-1].split(b"\n"))
            found = Sorted(lines=len(unmatched), matched=[], unmatched=unmatched)
        else:
            found = plan.sort(chunk)
        if len(found.unmatched) > _NEVER_MATCHED:
            better = self._learned(raw for _, raw in found.unmatched)
            if better is not None and better is not plan:
                return better.sort(chunk)
        return found

    def _learned(self, lines: Iterable[bytes]) -> _Plan | None:
        """The plan, once it knows new shapes among some of these lines; None without any shape."""
        known = self._plan.shapes if self._plan is not None else ()
        if self.no_compiler:
            return None
        shapes = _with_new(known, lines)
        if len(shapes) > len(known):
            self.no_compiler = why_not_compiled()
            if not self.no_compiler:
                self._plan = _Plan(shapes)
        return self._plan


def has_records(chunk: Chunk) -> bool:
    """Whether a chunk has lines that begin with the mark of TCAPPDLL."""
    mark = MARK.encode()
    at = chunk.block.find(b"\n" + mark, chunk.start, chunk.end)
    return at >= 0 or chunk.block.startswith(mark, chunk.start) or chunk.seam.startswith(mark)


def why_not_compiled() -> str:
    """Loads what is compiled; why that cannot be, or nothing where it can."""
    with _LOADING:  # a second thread would meet the remains of an import that fails
        try:
            importlib.import_module("harness.parse.fast.cutter")
        except ImportError as error:  # numba is absent, or does not know this numpy
            return str(error).partition("\n")[0] or type(error).__name__
    return ""


def is_loaded() -> bool:
    """Whether what is compiled has been loaded in this process."""
    return "harness.parse.fast.cutter" in sys.modules


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


def _between(
    chunk: Chunk, before: int, lines: Table, starts: Table, ends: Table
) -> Iterator[tuple[int, bytes]]:
    """The lines of a chunk's block that have no row, with their numbers; `before` is the first's.

    `lines`, `starts` and `ends` are the rows' numbers and places.
    """
    gaps = np.flatnonzero(starts[1:] > ends[:-1])
    begins = [chunk.start, *ends[gaps].tolist(), *ends[-1:].tolist()]
    stops = [*starts[:1].tolist(), *starts[gaps + 1].tolist(), chunk.end]
    numbers = [before, *(lines[gaps] + 1).tolist(), *(lines[-1:] + 1).tolist()]
    for begin, stop, number in zip(begins, stops, numbers, strict=True):
        if begin < stop:
            yield from enumerate(chunk.block[begin : stop - 1].split(b"\n"), number)
