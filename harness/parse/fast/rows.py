"""The lines of a text that fit templates, with their numbers, cut by regular expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.parse.fast.template import Template

Table = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Lines that fit a template, in order; arrays (n,).

    A line has its first byte, the byte behind its end, the index of its template, and where its
    kept numbers begin in `numbers`.
    """

    starts: Table
    ends: Table
    templates: Table
    firsts: Table
    numbers: Floats

    def runs(self) -> list[tuple[int, int]]:
        """Returns the first row and the row behind the last of lines that follow each other."""
        if not self.starts.size:
            return []
        apart = self.starts[1:] != self.ends[:-1]
        apart |= self.templates[1:] != self.templates[:-1]
        borders = [0, *(np.flatnonzero(apart) + 1).tolist(), self.starts.size]
        return list(pairwise(borders))


class TextCutter:
    """Cuts lines without any compiler."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._patterns = [re.compile(template.pattern()) for template in templates]

    def cut(self, block: bytes, at: int, end: int) -> Rows:
        """Returns the rows of the whole lines between two bytes."""
        starts: list[int] = []
        ends: list[int] = []
        which: list[int] = []
        firsts: list[int] = []
        texts: list[bytes] = []
        order = list(enumerate(self._patterns))
        while at < end:
            for place, (index, pattern) in enumerate(order):
                match = pattern.match(block, at, end)
                if match is not None:
                    starts.append(at)
                    at = match.end()
                    ends.append(at)
                    which.append(index)
                    firsts.append(len(texts))
                    texts += match.groups()
                    if place:
                        order.insert(0, order.pop(place))
                    break
            else:
                at = block.find(b"\n", at, end) + 1 or end
        numbers = np.array([float(text) for text in texts], dtype=np.float64)
        tables = [np.array(column, dtype=np.int64) for column in (starts, ends, which, firsts)]
        kept = np.ones(len(starts), dtype=bool)
        infinite = np.flatnonzero(~np.isfinite(numbers))  # `1e400`, which is left to the format
        kept[np.searchsorted(tables[3], infinite, side="right") - 1] = False
        lines, behind, kinds, places = (table[kept] for table in tables)
        return Rows(lines, behind, kinds, places, numbers)
