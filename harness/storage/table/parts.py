"""Writes rows into a part of a table, and reads them back.

records/part=.../records.parquet     run, rank, series, step, value, facts, window, unit
runs/part=.../runs.parquet           log, run, stamp, sha256, facts, series, about, size_bytes, ...
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ParseError
from harness.storage.table.engine import polars
from harness.storage.table.folder import Folder, folder_of
from harness.storage.table.manifest import AGAIN, Part
from harness.storage.table.rows import TEXT_COLUMNS, Row

MOST_RUNS = 2000
MOST_RECORDS = 1_000_000
"""A part is closed at this number of runs or records, so that its files have a few megabytes."""
LEVEL = 3
"""Level of zstd; higher levels take longer and save little."""


def write_part(folder: Folder, rows: Sequence[Row]) -> Part:
    """Writes rows as a part, and returns it. Parts of the same content are the same files.

    Raises:
        HarnessError: a file cannot be written.
    """
    runs, records = _parquet(_runs(rows, folder.name)), _parquet(_records(rows, folder.name))
    hashes = [hashlib.sha256(data).hexdigest() for data in (runs, records)]
    part = Part(
        name=hashlib.sha256("".join(hashes).encode()).hexdigest()[:16],
        logs=len({row.log for row in rows}),
        runs=len(rows),
        records=sum(len(row.steps) for row in rows),
        runs_sha256=hashes[0],
        records_sha256=hashes[1],
    )
    folder.write(part.records_file, records)
    folder.write(part.runs_file, runs)
    return part


def _parquet(frame: Any) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out, compression="zstd", compression_level=LEVEL)
    return out.getvalue()


def _runs(rows: Sequence[Row], source: str) -> Any:
    pl = polars(source)
    texts = {name: [getattr(row, name) for row in rows] for name in TEXT_COLUMNS}
    return pl.DataFrame(
        {
            **{name: pl.Series(values, dtype=pl.String) for name, values in texts.items()},
            "size_bytes": np.array([row.size_bytes for row in rows], dtype=np.int64),
            "records": np.array([len(row.steps) for row in rows], dtype=np.int64),
        }
    )


def _records(rows: Sequence[Row], source: str) -> Any:
    """Returns a row for each figure; the texts of a series are gathered, not copied."""
    pl = polars(source)
    heads = [(number, *head) for number, row in enumerate(rows) for head in row.heads()]
    counts = np.array([head[5] for head in heads], dtype=np.int64)
    at = pl.Series(np.repeat(np.arange(len(heads), dtype=np.uint32), counts))

    def spread(values: list[Any], dtype: Any) -> Any:
        return pl.Series(values, dtype=dtype).gather(at)

    return pl.DataFrame(
        {
            "run": spread([rows[head[0]].run for head in heads], pl.String),
            "rank": spread([head[2] for head in heads], pl.Int64),
            "series": spread([head[1] for head in heads], pl.String),
            "step": np.concatenate([row.steps for row in rows]),
            "value": np.concatenate([row.values for row in rows]),
            "facts": spread([rows[head[0]].facts for head in heads], pl.String),
            "window": spread([head[3] for head in heads], pl.Int64),
            "unit": spread([head[4] for head in heads], pl.String),
        }
    )


class Content:
    """The rows of a part; a row is made when it is asked for."""

    def __init__(self, runs: Any, steps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        self._runs = runs
        self._steps, self._values = steps, values
        self._ends = np.cumsum(runs["records"].to_numpy())

    def __len__(self) -> int:
        return len(self._ends)

    def row(self, number: int) -> Row:
        """Returns a row."""
        cells = self._runs.row(number, named=True)
        end = int(self._ends[number])
        part = slice(end - cells.pop("records"), end)
        return Row(**cells, steps=self._steps[part], values=self._values[part])


def read_part(folder: Folder, part: Part) -> Content:
    """Returns the rows of a part.

    Raises:
        ParseError: a file is missing or damaged.
    """
    pl = polars(folder.name)
    runs = _frame(pl, folder, part.runs_file, part.runs_sha256)
    records = _frame(pl, folder, part.records_file, part.records_sha256, ["step", "value"])
    steps, values = (records[name].to_numpy() for name in ("step", "value"))
    if len(runs) != part.runs or int(runs["records"].sum()) != len(steps):
        msg = f"does not hold the runs that the manifest lists. {AGAIN}"
        raise ParseError(msg, source=f"{folder.name}/{part.runs_file}")
    return Content(runs, steps, values)


def names_of(folder: Folder, part: Part) -> list[tuple[str, str, str]]:
    """Returns log, run and stamp of each row of a part.

    Raises:
        ParseError: the file is missing or damaged.
    """
    columns = ["log", "run", "stamp"]
    frame = _frame(polars(folder.name), folder, part.runs_file, part.runs_sha256, columns)
    return list(zip(*(frame[name].to_list() for name in columns), strict=True))


def _frame(pl: Any, folder: Folder, file: str, sha256: str, columns: Any = None) -> Any:
    data, source = folder.read(file), f"{folder.name}/{file}"
    if data is None:
        raise ParseError(f"is missing, though the manifest lists it. {AGAIN}", source=source)
    if hashlib.sha256(data).hexdigest() != sha256:
        msg = f"is damaged or was changed: its hash does not match the manifest. {AGAIN}"
        raise ParseError(msg, source=source)
    return pl.read_parquet(io.BytesIO(data), columns=columns)


@lru_cache(maxsize=4)
def kept_part(name: str, part: Part) -> Content:
    """Returns the rows of a part, which stay in memory until four others were read.

    `name` is that of the table's folder. The hashes of a part decide its content.
    """
    return read_part(folder_of(name), part)
