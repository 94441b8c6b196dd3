"""The table of the history, and how a database comes to its present form."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    text,
)

from harness.errors import HistoryError

VERSION_TABLE = "harness_history_version"
MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x6861726E657373
"""The advisory lock under which PostgreSQL migrates: 'harness' in ASCII."""

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


def migrate(engine: Engine, *, shown: str) -> None:
    """Brings a database to the newest schema; one that has it is only read.

    Raises:
        HistoryError: the database has a schema that this version does not know.
    """
    config = _config()
    script = ScriptDirectory.from_config(config)
    with engine.execution_options(reading=True).connect() as connection:
        if inspect(connection).has_table(entries.name) and entries.name in (
            inspect(connection).get_view_names()
        ):
            msg = f"{entries.name} is a view, and no table that this tool made; restore the history"
            raise HistoryError(msg, source=shown)
        if _revision(connection, script, shown) == script.get_current_head():
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        _revision(connection, script, shown)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection, script: ScriptDirectory, shown: str) -> str | None:
    """The revision of a database, None of one without our table."""
    options = {"version_table": VERSION_TABLE}
    heads = MigrationContext.configure(connection, opts=options).get_current_heads()
    if len(heads) > 1:
        msg = (
            f"its schema has {len(heads)} revisions; expected one. The table {VERSION_TABLE} was "
            "changed by hand; restore it from a copy."
        )
        raise HistoryError(msg, source=shown)
    found = heads[0] if heads else None
    known = {one.revision for one in script.walk_revisions()}
    if found is not None and found not in known:
        msg = (
            f"its schema is revision {found}, which this version does not know (it knows "
            f"{script.get_current_head()}): a newer harness wrote it; update the harness"
        )
        raise HistoryError(msg, source=shown)
    return found
