"""From what a user names, a path or a URL, to an engine of SQLAlchemy."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from harness.errors import HistoryError

QUERY_S = 60
"""Seconds that a connection may take, waiting for other writers aside."""
SCHEMES = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
CONNECT_S = 10
_DSN = re.compile(
    r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service|passfile|sslmode)\s*=", re.I
)
"""A keyword of libpq's connection text."""


def connect(where: str, *, wait_s: float) -> tuple[Engine, str]:
    """The engine of a place and its name without user, password and options.

    Raises:
        HistoryError: the place is a URL of something else.
        ImportError: the driver is not installed.
    """
    if "://" not in where:
        check_file(where)
        url = URL.create("sqlite", database=where)
        return _sqlite(url, wait_s=wait_s), where
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        msg = "the history's URL cannot be read; expected postgresql://host:5432/database"
        raise HistoryError(msg) from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            msg = "a history in memory, or with options; expected the path of a file"
            raise HistoryError(msg)
        check_file(url.database)
        return _sqlite(URL.create("sqlite", database=url.database), wait_s=wait_s), url.database
    if kind not in SCHEMES:
        msg = f"a history in {kind!r}; expected the path of a file, or postgresql://..."
        raise HistoryError(msg)
    url = url.set(drivername=SCHEMES.get(url.drivername, url.drivername))
    options = {"connect_timeout": CONNECT_S}
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, TypeError, ValueError):
        msg = "the history's URL cannot be used; expected postgresql://host:5432/database"
        raise HistoryError(msg) from None
    port = f":{url.port}" if url.port else ""
    return engine, f"postgresql://{url.host or ''}{port}/{url.database or ''}"


def check_file(name: str) -> None:
    """Nothing, where a name can be that of an SQLite file, there or not.

    Raises:
        HistoryError: it is the text of a PostgreSQL connection, a folder, a link or a device.
    """
    if _DSN.search(name):
        msg = (
            "this is the text of a PostgreSQL connection; expected a URL, "
            "postgresql://host:5432/database, with the password in PGPASSWORD or ~/.pgpass"
        )
        raise HistoryError(msg)
    if not name.strip() or "\0" in name or name == ":memory:":
        msg = "no name of a file; expected one such as history.sqlite"
        raise HistoryError(msg)
    try:
        mode = Path(name).lstat().st_mode
    except OSError:
        return  # a new file, or opening it says why not
    if stat.S_ISLNK(mode):
        msg = "is a symbolic link, and nothing is written through one; name the file itself"
        raise HistoryError(msg, source=name)
    if not stat.S_ISREG(mode):
        msg = "is no regular file; expected the path of an SQLite file"
        raise HistoryError(msg, source=name)


def _sqlite(url: URL, *, wait_s: float) -> Engine:
    """An engine whose transactions take the write lock at once, unless marked as `reading`.

    A transaction that first reads and then writes fails at once where another one wrote in
    between, however long the timeout; one that begins with the lock waits for its turn.
    """
    options = {"timeout": wait_s}
    engine = create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def no_transactions_of_the_driver(connection: Any, _: object) -> None:
        connection.isolation_level = None
        until = time.monotonic() + wait_s + QUERY_S
        connection.set_progress_handler(lambda: time.monotonic() > until, 1_000_000)

    @event.listens_for(engine, "begin")
    def lock(connection: Any) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
