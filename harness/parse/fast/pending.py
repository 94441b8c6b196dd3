"""Merges records that were read in bulk into the tracks of their series, in the log's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.parse.collect import Collector
from harness.parse.fast.shape import Shape
from harness.parse.formats.tcappdll import Tcappdll
from harness.parse.track import Track, turning_points

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Records of one shape and rank, in order; arrays (n,), one of `values` for each field."""

    shape: Shape
    rank: int
    lines: Lines
    epochs: Floats
    iterations: Lines
    values: tuple[Floats, ...]


@dataclass(slots=True)
class _Columns:
    """Records of one rank on rising lines, a column for each series; `done` are in the tracks."""

    lines: Lines
    epochs: Floats
    iterations: Lines
    columns: list[tuple[Track, Floats]]
    done: int = 0

    def merge(self, before: int) -> bool:
        """Adds the records of lines before this one; returns whether there were any."""
        end = int(np.searchsorted(self.lines, before))
        if end == self.done:
            return False
        part = slice(self.done, end)
        lines, epochs, iterations = self.lines[part], self.epochs[part], self.iterations[part]
        turns = turning_points(epochs, iterations)
        for track, values in self.columns:
            track.add_many(lines, epochs, iterations, values[part], turns)
        self.done = end
        return True

    def line(self) -> int:
        """Returns the line of the last record added."""
        return int(self.lines[self.done - 1])

    def last_step(self) -> int:
        """Returns the step of the last record added."""
        return self.columns[-1][0].last_step()


class Pending:
    """The matched records of one chunk, until they are merged into their tracks.

    The reading loop merges them up to a line before it writes the records of that line: a step
    depends on the records before it. Most unmatched lines hold no record, and merging for each of
    those would cost about 10 us a series.
    """

    def __init__(self, matched: list[Records], first_line: int, into: Collector) -> None:
        self._columns = _columns(matched, first_line, into)
        self._into = into

    def merge(self, *, before: int) -> None:
        """Adds the records of the lines before this one that are not added yet."""
        latest = None
        for columns in self._columns:
            if columns.merge(before) and (latest is None or columns.line() > latest.line()):
                latest = columns
        if latest is not None:
            self._into.last_step = latest.last_step()


_Part = tuple[Lines, Floats, Lines, Floats]
"""Lines, epochs, iterations and values of one series."""


def _columns(matched: list[Records], first_line: int, into: Collector) -> list[_Columns]:
    """The records of each rank; where its lines have several shapes, series by series."""
    reader = Tcappdll.name
    groups: dict[tuple[int, tuple[str, ...]], _Columns] = {}
    parts: dict[tuple[str, int], list[_Part]] = {}
    units: dict[tuple[str, int], tuple[int, str]] = {}
    into.reader = reader
    for part in matched:
        lines = part.lines + first_line
        into.claim(reader, line=int(lines[0]))
        for (name, unit), values in zip(part.shape.fields, part.values, strict=True):
            of, mine = (name, part.rank), (int(lines[0]), unit)
            parts.setdefault(of, []).append((lines, part.epochs, part.iterations, values))
            units[of] = min(units.get(of, mine), mine)
    into.tracks.learn(reader, [name for name, _ in parts])
    for (name, rank), several in parts.items():
        track = into.tracks.find(reader, name, rank=rank, window=1, unit=units[name, rank][1])
        if track is None:
            into.skip(first_line, name, "no place for the records of this series")
            continue
        lines, epochs, iterations, values = _in_order(several)
        key = (rank, () if len(several) == 1 else (name,))
        group = groups.setdefault(key, _Columns(lines, epochs, iterations, []))
        if group.lines is not lines:  # another shape of the same rank has lines apart
            group = groups[rank, (name,)] = _Columns(lines, epochs, iterations, [])
        group.columns.append((track, values))
    return list(groups.values())


def _in_order(parts: list[_Part]) -> _Part:
    """Records of several shapes merged in the order of their lines."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*parts, strict=True)
    lines, epochs, iterations, values = (np.concatenate(column) for column in columns)
    order = np.argsort(lines, kind="stable")
    return lines[order], epochs[order], iterations[order], values[order]
