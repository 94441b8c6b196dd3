"""Takes rows of a template over as the format would read their lines, without reading them all.

The first lines of each rank are given to the formats. They show which record a line becomes and by
how much counters in the formats rise with each line. The rows between go to the series at once, the
counters are advanced, and the last lines are given to the formats again: whatever a format
remembers of the line before is then right.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parse.collect import Collector, Record
from harness.parse.fast.agreeing import Agreement, RankRows, Seen
from harness.parse.fast.segments import ranks_of
from harness.parse.fast.states import Path, TooLargeError, advance, state_of, steps_between
from harness.parse.fast.template import Part, Template
from harness.parse.format import Format

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

HEAD = 3
"""Lines of each rank that are read before rows are taken over; the last two must agree."""
MIN_ROWS = 24
"""Rows of each rank from which on it is worth while."""
MAX_RANKS = 1024
ATTEMPTS = 6
"""How often the first rows are read again, after more and more rows, until they agree."""


class Reading:
    """What taking rows over needs of the pass over the log."""

    def __init__(
        self,
        readers: Sequence[Format],
        into: Collector,
        feed: Callable[[int], list[Record] | None],
    ) -> None:
        self.readers, self.into, self.feed = readers, into, feed


def take_over(template: Template, numbers: Floats, line: int, reading: Reading) -> None:
    """Takes rows (n, columns) over; `line` is the number of the first one's line.

    `reading.feed` reads the line of a row, and returns its records, None for anything else.
    Between two rows the counters rise within their rank, and constants are the same.
    """
    done, n = 0, len(numbers)
    for attempt in range(ATTEMPTS):
        left = _Bridge(template, numbers[done:], line + done, reading, done)
        done += left.cross()
        if left.crossed:
            break
        for _ in range(min(n - done, left.ranks << attempt + 1)):
            reading.feed(done)
            done += 1
        if done == n:
            return
    for i in range(done, n):
        reading.feed(i)


class _Bridge:
    """A part of the rows of a template, from row `begin` of it on."""

    def __init__(
        self, template: Template, numbers: Floats, line: int, reading: Reading, begin: int
    ) -> None:
        self._template, self._numbers, self._line = template, numbers, line
        self._reading, self._begin = reading, begin
        names = [reader.name for reader in reading.readers]
        self._taker = reading.readers[names.index(template.reader)]
        self._others = [reader for reader in reading.readers if reader is not self._taker]
        self._agreement = Agreement(template, numbers)
        self._ranks = ranks_of(template, numbers)
        self._rows = _rows_of(self._ranks)
        self.ranks = max(1, len(self._rows))
        self.crossed = False
        self._read = 0

    def cross(self) -> int:
        """Reads the first rows and takes the next over; returns how many rows are done.

        The rest is to be read one by one. `crossed` says whether any were taken over.
        """
        rows = self._rows
        self.crossed = not rows or min(map(len, rows)) < MIN_ROWS
        if self.crossed:
            return 0
        head = 1 + max(int(of[HEAD - 1]) for of in rows)
        tail = min(int(of[-1]) for of in rows)
        self.crossed = tail - head < len(self._numbers) // 2
        if self.crossed:
            return 0
        try:
            found = self._head(head)
        except TooLargeError:
            found = None
        if found is None:
            return self._read
        self._take(head, tail, *found)
        self.crossed = True
        return tail

    def _take(
        self, head: int, tail: int, of_rank: dict[int, RankRows], others: dict[Path, int]
    ) -> None:
        """Takes the rows between two over."""
        for of in self._rows:
            inner = of[np.searchsorted(of, head) : np.searchsorted(of, tail)]
            rank = of_rank[int(self._ranks[of[0]])]
            if inner.size:
                self._add(inner, rank)
                advance(self._taker, {path: by * inner.size for path, by in rank.rises.items()})
        advance(self._others, {path: by * (tail - head) for path, by in others.items()})

    def _head(self, head: int) -> tuple[dict[int, RankRows], dict[Path, int]] | None:
        """What the rows of each rank become, and by how much other formats' counters rise a row."""
        seen: dict[int, list[Seen]] = {}
        start = len(self._rows)
        kept: list[bytes] = []
        agree = True
        before = state_of(self._taker)
        for i in range(head):
            if i == start:
                kept = [pickle.dumps(reader) for reader in self._others]
            records = self._reading.feed(self._begin + i)
            self._read = i + 1
            after = state_of(self._taker)
            rises = steps_between(before, after)
            before = after
            if records is None or len(records) != 1 or rises is None:
                agree = agree and i < start
                continue
            seen.setdefault(int(self._ranks[i]), []).append(Seen(i, records[0], rises))
        if not agree:
            return None
        others = self._rises_of_others(kept, head - start)
        found = {rank: self._agreement.rows_of(lines[-2:]) for rank, lines in seen.items()}
        if others is None or len(found) < len(self._rows):
            return None
        known = {rank: of for rank, of in found.items() if of is not None}
        return (known, others) if len(known) == len(found) else None

    def _rises_of_others(self, kept: Sequence[bytes], n: int) -> dict[Path, int] | None:
        """By how much a line raises the counters of formats that did not take it.

        `kept` are pickles of the formats as they were `n` lines before.
        """
        found: dict[Path, int] = {}
        for i, (before, reader) in enumerate(zip(kept, self._others, strict=True)):
            if before == pickle.dumps(reader):  # most formats: walking them takes longer
                continue
            was = pickle.loads(before)  # noqa: S301  (made above)
            rises = _each(steps_between(state_of(was), state_of(reader)), n)
            if rises is None:
                return None
            found |= {(("key", i), *path): by for path, by in rises.items()}
        return found

    def _add(self, rows: Numbers, rank: RankRows) -> None:
        """Adds rows of one rank to their series."""
        into, place = self._reading.into, rank.place
        numbers = self._numbers[rows]
        column = self._template.columns(Part.ITERATION)
        if column:
            iterations = numbers[:, column[0]].astype(np.int64) + rank.offset
        else:
            iterations = rank.offset + rank.stride * np.arange(1, rows.size + 1)
        epoch = self._template.columns(Part.EPOCH)
        epochs = numbers[:, epoch[0]] if epoch else np.full(rows.size, place.epoch)
        turns = (np.flatnonzero(epochs[1:] != epochs[:-1]) + 1).tolist()
        lines = rows + self._line
        values: dict[str, Any] = {name: numbers[:, i] for name, i in self._agreement.series.items()}
        for name, value in rank.constants.items():
            values[name] = np.full(rows.size, value)
        for name, column_values in values.items():
            window = 1 if name in rank.instant else place.window
            track = into.tracks.find(
                self._template.reader, name, rank=place.rank, window=window, unit=""
            )
            assert track is not None  # noqa: S101  (its first records have been added)
            track.add_many(lines, epochs, iterations, column_values, turns)
        for i in self._template.columns(Part.NOTED_EPOCH):
            into.epochs_of(iterations, numbers[:, i])


def _rows_of(ranks: Numbers) -> list[Numbers]:
    """The rows of each rank; none where there are too many ranks."""
    if not ranks.any():
        return [np.arange(ranks.size)]
    known, inverse = np.unique(ranks, return_inverse=True)
    return (
        [np.flatnonzero(inverse == i) for i in range(known.size)] if known.size <= MAX_RANKS else []
    )


def _each(steps: dict[Path, int] | None, n: int) -> dict[Path, int] | None:
    """What each of `n` lines adds to counters; None where that is no whole number."""
    if steps is None or any(by % n for by in steps.values()):
        return None
    return {path: by // n for path, by in steps.items()}
