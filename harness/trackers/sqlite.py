"""Opens a tracker's SQLite database for reading; nothing in it and beside it changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness.errors import ParseError

MAGIC = b"SQLite format 3\0"
WRITE_AHEAD = 2
"""Byte 18 of a database whose changes go to a write-ahead log."""
WAIT_S = 10.0
"""Seconds to wait for a writer."""


def opened(path: Path, *, source: str) -> sqlite3.Connection:
    """Returns a connection that reads a database, also while a training writes to it.

    Raises:
        ParseError: there is no such file, or it is no SQLite database.
        sqlite3.Error: the database cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(19)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; check the path"
        raise ParseError(msg, source=source) from error
    if not head.startswith(MAGIC):
        msg = f"{path} is no SQLite database; expected the file of a tracker's store"
        raise ParseError(msg, source=source)
    # A reader of a write-ahead log makes two files beside the database, and fails in a folder that
    # it cannot write. Without such a log nobody has the database open, and the file is whole.
    log = path.with_name(path.name + "-wal")
    whole = head[18:19] == bytes([WRITE_AHEAD]) and not log.exists()
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if whole else ''}"
    return sqlite3.connect(uri, uri=True, timeout=WAIT_S)


def columns(store: sqlite3.Connection, table: str) -> set[str]:
    """Returns the names of a table's columns; empty if the database has no such table."""
    return {row[0] for row in store.execute("SELECT name FROM pragma_table_info(?)", (table,))}
