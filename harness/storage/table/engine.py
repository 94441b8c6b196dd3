"""Loads polars, which reads and writes Parquet, when a command needs it."""

from __future__ import annotations

from typing import Any

from harness.errors import ParseError
from harness.extras import needs


def polars(source: str) -> Any:
    """Returns the module polars, which reads and writes Parquet.

    Raises:
        ParseError: it is not installed.
    """
    try:
        import polars as pl  # noqa: PLC0415  (an extra, and only Parquet needs it)
    except ImportError as error:
        raise ParseError(f"Parquet {needs('polars')}", source=source) from error
    return pl
