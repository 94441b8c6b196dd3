"""What the rows of one rank become, as the records of two of its lines show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.log.arrays import Floats
from harness.parse.collect import Record
from harness.parse.fast.states import Path
from harness.parse.fast.template import Part, Template
from harness.parse.line import Place


class Seen(NamedTuple):
    """A row that was read as a line: its record, and by how much the format's counters rose."""

    row: int
    record: Record
    rises: dict[Path, int]


@dataclass(frozen=True, slots=True)
class RankRows:
    """What the rows of one rank become.

    A counter is `offset` more than the number of a row, or rises by `stride` from `offset` on where
    no number counts. `constants` are the values of series that no number states; `rises` are the
    counters of the format.
    """

    place: Place
    instant: frozenset[str]
    offset: int
    stride: int
    constants: dict[str, float]
    rises: dict[Path, int]


class Agreement:
    """Compares records with the rows (n, columns) of a template, of which `series` are values."""

    def __init__(self, template: Template, numbers: Floats) -> None:
        self._template, self._numbers = template, numbers
        self.series = {
            slot.series: i for i, slot in enumerate(template.kept) if slot.part is Part.VALUE
        }

    def rows_of(self, lines: Sequence[Seen]) -> RankRows | None:
        """Returns what the rows of a rank become, if two lines of it agree; else None."""
        if len(lines) < 2:
            return None
        (i, first, rises), (j, last, more) = lines
        if not self._is_alike(first, last) or not self._fits(i, first) or not self._fits(j, last):
            return None
        apart = last.place.iteration - first.place.iteration
        column = self._template.columns(Part.ITERATION)
        offsets = [0, 0]
        if column:
            counters = self._numbers[[i, j], column[0]].astype(np.int64).tolist()
            offsets = [first.place.iteration - counters[0], last.place.iteration - counters[1]]
            if offsets[0] != offsets[1]:
                return None
        elif apart <= 0:
            return None
        if rises.keys() != more.keys():
            return None
        constants = {n: v for n, v in last.values.items() if n not in self.series}
        return RankRows(
            place=last.place,
            instant=frozenset(last.instant),
            offset=offsets[1] if column else last.place.iteration,
            stride=0 if column else apart,
            constants=constants,
            rises={path: by for path, by in more.items() if by == rises[path]},
        )

    def _is_alike(self, first: Record, last: Record) -> bool:
        """Whether two records are of the same series, and differ as numbers of the template do."""
        moved = first.place._replace(iteration=last.place.iteration, epoch=last.place.epoch)
        same = (first.reader, moved) == (last.reader, last.place)
        same = same and set(first.instant) == set(last.instant)
        names = first.values.keys() == last.values.keys() >= self.series.keys()
        return (
            same
            and names
            and first.reader == self._template.reader
            and not last.place.after_last
            and all(first.values[n] == last.values[n] for n in first.values.keys() - self.series)
        )

    def _fits(self, row: int, record: Record) -> bool:
        """Whether the numbers of a row are those of the record."""
        numbers = self._numbers[row]
        epochs = self._template.columns(Part.EPOCH)
        ranks = self._template.columns(Part.RANK)
        return (
            all(record.values[name] == numbers[i] for name, i in self.series.items())
            and all(record.place.epoch == numbers[i] for i in epochs)
            and all(record.place.rank == numbers[i] for i in ranks)
        )
