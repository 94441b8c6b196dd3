"""The table of figures of a recording, in CSV, with a line for each record."""

from __future__ import annotations

import csv
import io
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLUMNS = ["run", "rank", "step", "name", "value"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """The records of one series of one run. `steps` and `values` have shape (n,)."""

    run: int
    rank: int
    name: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]


def read_blocks(figures: bytes) -> list[Block]:
    """Returns the series of a table in the order of their first records.

    A series may be spread over the table. Values are read by `float`, which gives the bits that
    `repr` wrote.

    Raises:
        ValueError, OverflowError, csv.Error: it is not such a table.
    """
    rows = csv.reader(io.StringIO(figures.decode("utf-8"), newline=""), strict=True)
    head = next(rows, [])
    if head != COLUMNS:
        msg = f"it has the columns {head!r:.100}; expected {COLUMNS}"
        raise ValueError(msg)
    columns: dict[tuple[str, str, str], tuple[array[int], array[float]]] = {}
    for row in filter(None, rows):
        run, rank, step, name, value = row
        steps, values = columns.setdefault((run, rank, name), (array("q"), array("d")))
        steps.append(int(step))
        values.append(float(value))
    return [
        Block(
            run=int(run),
            rank=int(rank),
            name=name,
            steps=np.array(steps, dtype=np.int64),
            values=np.array(values, dtype=np.float64),
        )
        for (run, rank, name), (steps, values) in columns.items()
    ]
