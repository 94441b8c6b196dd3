"""Takes records that were read in bulk over into the tracks of their series, in the log's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.parse.collect import Collector
from harness.parse.formats.tcappdll import Shape, Tcappdll
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
        return self.columns[-1][0].last_step()


class Ahead:
    """Adds the records of lines before a given one, when it is asked to."""

    def __init__(self, stretches: list[_Stretch], into: Collector) -> None:
        self._stretches = stretches
        self._into = into
        self._line = 0

    def __call__(self, line: int) -> None:
        """Adds those; a line before the last one given asks for nothing."""
        if line <= self._line:
            return
        self._line = line
        latest = None
        for stretch in self._stretches:
            if stretch.up_to(line) and (latest is None or stretch.at() > latest.at()):
                latest = stretch
        if latest is not None:
            self._into.last_step = latest.last_step()


_Part = tuple[Lines, Floats, Lines, Floats]
"""Lines, epochs, iterations and values of one series."""


def stretches(hot: list[Records], first_line: int, into: Collector) -> list[_Stretch]:
    """The records of each rank; where its lines have several shapes, series by series."""
    into.reader, into.reader_is_fallback = Tcappdll.name, False
    found: dict[tuple[int, tuple[str, ...]], _Stretch] = {}
    parts: dict[tuple[str, int], list[_Part]] = {}
    units: dict[tuple[str, int], tuple[int, str]] = {}
    for part in hot:
        lines = part.lines + first_line
        into.claim(into.reader, line=int(lines[0]))
        for (name, unit), values in zip(part.shape.fields, part.values, strict=True):
            of, mine = (name, part.rank), (int(lines[0]), unit)
            parts.setdefault(of, []).append((lines, part.epochs, part.iterations, values))
            units[of] = min(units.get(of, mine), mine)
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


def _in_order(parts: list[_Part]) -> _Part:
    """Records of several shapes merged in the order of their lines."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*parts, strict=True)
    lines, epochs, iterations, values = (np.concatenate(column) for column in columns)
    order = np.argsort(lines, kind="stable")
    return lines[order], epochs[order], iterations[order], values[order]
