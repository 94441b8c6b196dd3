"""From what a user names, a path or a URL, to an engine of SQLAlchemy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from harness.errors import HistoryError

SCHEMES = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
CONNECT_S = 10


def connect(where: str, *, wait_s: float) -> tuple[Engine, str]:
    """The engine of a place and its name without user, password and options.

    Raises:
        HistoryError: the place is a URL of something else.
        ImportError: the driver is not installed.
    """
    if "://" not in where:
        url = URL.create("sqlite", database=where)
        return _sqlite(url, wait_s=wait_s), where
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        msg = "the history's URL cannot be read; expected postgresql://user@host:5432/database"
        raise HistoryError(msg) from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _sqlite(url, wait_s=wait_s), url.database or "sqlite in memory"
    if kind not in SCHEMES:
        msg = f"a history in {kind!r}; expected the path of a file, or postgresql://..."
        raise HistoryError(msg)
    url = url.set(drivername=SCHEMES.get(url.drivername, url.drivername))
    options = {"connect_timeout": CONNECT_S}
    engine = create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)
    port = f":{url.port}" if url.port else ""
    return engine, f"postgresql://{url.host or ''}{port}/{url.database or ''}"


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

    @event.listens_for(engine, "begin")
    def lock(connection: Any) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
