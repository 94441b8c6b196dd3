"""The tables of the history, and the check that a database has their present form.

There has been one revision so far. A second one must convert the rows of the first in
`ensure_schema` before it writes its own number.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Inspector,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    inspect,
    text,
)

from harness.errors import HistoryError

REVISION = "0001"
LOCK = 0x6861726E657373
"""The advisory lock under which PostgreSQL creates the tables: 'harness' in ASCII."""

metadata = MetaData()
entries = Table(
    "harness_history",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("port", Text, nullable=False),
    Column("moment", Text, nullable=False),
    Column("commit", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("effect", Double),
    Column("result", Text, nullable=False),
    Index("harness_history_port_moment", "port", "moment"),
)
"""`moment` is ISO 8601 in UTC and sorts as text; `result` is the JSON of a `PortResult`."""
# Names and types are those of Alembic's version table: earlier versions of the harness wrote it.
revisions = Table(
    "harness_history_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="harness_history_version_pkc"),
)


def ensure_schema(engine: Engine, *, shown: str) -> None:
    """Creates the tables in an empty database; a database that has them is only read.

    Raises:
        HistoryError: the database has a schema that this version does not know.
    """
    with engine.execution_options(reading=True).connect() as connection:
        if _is_current(connection, shown):
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        # Another process may have created them since; only the lock makes the answer final.
        if not _is_current(connection, shown):
            # A table of this name without a revision is not ours: creating it again is an error.
            metadata.create_all(connection, checkfirst=False)
            connection.execute(revisions.insert(), {"version_num": REVISION})


def _is_current(connection: Connection, shown: str) -> bool:
    """Returns False for a database without our tables, and True for one that has them.

    Raises:
        HistoryError: the tables are not those of this version.
    """
    inspector = inspect(connection)
    _refuse_view(inspector, shown)
    if not inspector.has_table(revisions.name):
        return False
    written = connection.execute(revisions.select()).scalars().all()
    if len(written) > 1:
        msg = (
            f"its schema has {len(written)} revisions; expected one. The table {revisions.name} "
            "was changed by hand; restore it from a copy."
        )
        raise HistoryError(msg, source=shown)
    if written and written[0] != REVISION:
        msg = (
            f"its schema is revision {written[0]}, which this version does not know (it knows "
            f"{REVISION}): a newer harness wrote it; update the harness"
        )
        raise HistoryError(msg, source=shown)
    return bool(written)


def _refuse_view(inspector: Inspector, shown: str) -> None:
    """Raises HistoryError if a view has the name of our table: nothing can be written to it."""
    if entries.name in inspector.get_view_names():
        msg = f"{entries.name} is a view; expected a table that the harness made; restore a copy"
        raise HistoryError(msg, source=shown)
