"""Rows of one template on lines that follow each other: which of them a format would read alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.parse.fast.template import Part, Template

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EQUAL_STRIDES = frozenset({"mmcv", "megatron"})
"""Formats that derive a window from the distance of two lines."""
MISSING = 8
"""Rows for each rank after which one that is not among them has not begun, or has ended."""


def ranks_of(template: Template, numbers: Floats) -> NDArray[np.int64]:
    """Returns the rank of each row (n,): 0 where the lines state none."""
    columns = template.columns(Part.RANK)
    if not columns:
        return np.zeros(len(numbers), dtype=np.int64)
    return numbers[:, columns[0]].astype(np.int64)


def borders_of(template: Template, numbers: Floats) -> list[int]:
    """Returns where rows (n, columns) begin that may change what a format does with a line.

    Between two borders every constant is the same, and every counter rises within its rank.
    """
    n = len(numbers)
    apart = np.zeros(n, dtype=bool)
    constants = [numbers[:, i] for i in template.columns(Part.CONSTANT)]
    for column in constants:
        apart[1:] |= column[1:] != column[:-1]
    for i in template.columns(Part.NOTED_EPOCH):
        apart[1:] |= numbers[1:, i] < numbers[:-1, i]
    ranks = ranks_of(template, numbers)
    for i in template.columns(Part.ITERATION):
        counter = numbers[:, i]
        for column in constants:  # a counter that reaches its end, or passes it
            side = np.sign(counter - column)
            apart[1:] |= side[1:] != side[:-1]
        apart |= _turns(counter, ranks, equal=template.reader in EQUAL_STRIDES)
    if template.columns(Part.RANK):
        known, firsts = np.unique(ranks, return_index=True)
        lasts = n - 1 - np.unique(ranks[::-1], return_index=True)[1]
        missing = MISSING * known.size
        apart[firsts[firsts >= missing]] = True
        apart[lasts[lasts < n - missing] + 1] = True
    return [0, *(np.flatnonzero(apart[1:]) + 1).tolist(), n]


def _turns(counter: Floats, ranks: NDArray[np.int64], *, equal: bool) -> Flags:
    """Where a counter (n,) does not rise within its rank, or not by as much as before."""
    order = np.argsort(ranks, kind="stable")
    sorted_ranks, rises = ranks[order], np.diff(counter[order])
    same = sorted_ranks[1:] == sorted_ranks[:-1]
    turned = same & (rises <= 0)
    if equal:
        turned[1:] |= same[1:] & same[:-1] & (rises[1:] != rises[:-1])
    found = np.zeros(counter.size, dtype=bool)
    found[order[1:][turned]] = True
    return found
