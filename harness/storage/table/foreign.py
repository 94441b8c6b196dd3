"""Turns anybody's Parquet file into the text of a CSV table, which the reader of tables reads.

The figures keep their bits: floats are written with all digits. A wide file has a column for each
figure (`run, step, loss`), a long one a row for each value (`run, series, step, value`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterable
from typing import Any

from harness.errors import ParseError
from harness.parse.formats.exports import renamed
from harness.parse.names import EPOCHS, PHASES, step_key
from harness.storage.bounded import size
from harness.storage.table.engine import polars

MAGIC = b"PAR1"
MAX_BYTES = 2 << 30
"""Largest Parquet file, which is held in memory."""
ROWS = 1 << 16
"""Rows that become text at a time."""
_INDEX = "__index_level_0__"
"""The name under which pandas stores an index that has none."""


def csv_of(blocks: Iterable[bytes], *, source: str) -> Generator[bytes, None, None]:
    """Yields the blocks of a Parquet file as blocks of a CSV table.

    Raises:
        ParseError: polars is not installed, or the file is damaged or too large.
    """
    data = _whole(blocks, source)
    pl = polars(source)
    try:
        frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
        kept = _readable(pl, _with_range(pl, frame, data))
        if not kept.width:
            raise ParseError(_no_figure(frame), source=source)
        for number, part in enumerate(kept.iter_slices(ROWS)):
            yield part.write_csv(include_header=not number).encode("utf-8", "replace")
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        msg = f"a Parquet file that cannot be read ({what}); write or copy it again"
        raise ParseError(msg, source=source) from error


def _whole(blocks: Iterable[bytes], source: str) -> bytes:
    parts, count = [], 0
    for block in blocks:
        parts.append(block)
        count += len(block)
        if count > MAX_BYTES:
            msg = f"a Parquet file of more than {size(MAX_BYTES)}; split it into a file per run"
            raise ParseError(msg, source=source)
    return b"".join(parts)


def _readable(pl: Any, frame: Any) -> Any:
    """Returns a frame of columns that a table of text can hold, with names that it knows."""
    frame = _with_step(frame)
    long = "name" in renamed(frame.columns)
    # float32 has fewer digits than the float64 that its value is
    frame = frame.with_columns(pl.col(pl.Float32).cast(pl.Float64))
    return frame.select(
        [
            column.name
            for column, known in zip(frame, renamed(frame.columns), strict=True)
            if _is_kept(pl, column, known, long=long)
        ]
    )


def _no_figure(frame: Any) -> str:
    names = ", ".join(frame.columns[:5]) + (", ..." if frame.width > 5 else "")
    return (
        f"a Parquet file without a column of numbers ({names or 'no column'}); expected a step and "
        "a loss. Write the figures as numbers."
    )


def _with_range(pl: Any, frame: Any, data: bytes) -> Any:
    """Returns a frame with the index that pandas states as a range, and stores in no column.

    A range without a name counts the rows. They are steps only if the file holds one run.
    """
    try:
        text = pl.read_parquet_metadata(io.BytesIO(data)).get("pandas", "{}")
        (index,) = json.loads(text)["index_columns"]
        name, first, step = index["name"] or _INDEX, index["start"], index["step"]
        steps = range(first, first + step * frame.height, step)
    except (AttributeError, ValueError, TypeError, KeyError):  # no range, or polars before 1.30
        return frame
    several = name == _INDEX and "run" in renamed(frame.columns)
    if several or name in frame.columns or not isinstance(name, str) or not frame.width:
        return frame
    return frame.select(pl.Series(name, steps, dtype=pl.Int64), pl.all())


def _with_step(frame: Any) -> Any:
    """Returns a frame in which an index without a name is the step, if no column counts steps."""
    if _INDEX not in frame.columns:
        return frame
    others = [name for name in frame.columns if name != _INDEX]
    if step_key(others) or any(name in EPOCHS for name in others):
        return frame.drop(_INDEX)
    return frame.rename({_INDEX: "step"}) if frame[_INDEX].dtype.is_integer() else frame


def _is_kept(pl: Any, column: Any, known: str, *, long: bool) -> bool:
    """Returns whether a column may hold figures, or says which figure a row is.

    `known` is its name in this project. A text in which no cell is a number, such as a note or a
    host, says nothing about the curve.
    """
    if column.dtype.is_nested() or column.dtype.is_temporal():
        return False
    if column.dtype in {pl.Binary, pl.Boolean}:
        return False
    if known in {"run", "name", "value"} or known.lower() in PHASES:
        return True
    if column.dtype.is_numeric():
        return True
    numbers = column.cast(pl.String).cast(pl.Float64, strict=False)
    return not long and bool(numbers.is_not_null().any())
