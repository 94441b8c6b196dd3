"""Opens a history, appends the results of a check to it, and reads a port's back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison.result import PortResult
from harness.comparison.trend import Entry
from harness.errors import HarnessError, HistoryError
from harness.extras import is_installed, needs

if TYPE_CHECKING:
    from sqlalchemy import Engine, Row, Select

WAIT_S = 30
"""Seconds that a check waits for another one that is writing to the same SQLite file."""
EXTRA = f"the history {needs('sqlalchemy')}"
DRIVER = f"a history on PostgreSQL {needs('psycopg')}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """An open history. `shown` names it without user or password."""

    engine: Engine
    shown: str

    def append(self, results: Sequence[PortResult], *, commit: str, when: datetime) -> None:
        """Adds the results of one check, all or none. Their curves are not kept.

        Raises:
            HistoryError: the store cannot be written.
        """
        from harness.ports.history.schema import entries  # noqa: PLC0415

        moment = when.astimezone(UTC).isoformat(timespec="microseconds")
        rows = [_row(result, commit=commit, moment=moment) for result in results]
        with _said(self.shown), self.engine.begin() as connection:
            if rows:
                connection.execute(entries.insert(), rows)

    def read(self, port: str) -> tuple[Entry, ...]:
        """The entries of a port, the oldest first; none of a port that was never checked."""
        from harness.ports.history.schema import entries  # noqa: PLC0415

        return self._fetch(
            entries.select()
            .where(entries.c.port == _plain(port))
            .order_by(entries.c.moment, entries.c.id)
        )

    def recent(self, count: int) -> dict[str, tuple[Entry, ...]]:
        """The newest `count` entries of every port, the oldest first; ports by name."""
        from sqlalchemy import func, select  # noqa: PLC0415

        from harness.ports.history.schema import entries  # noqa: PLC0415

        newest = (entries.c.moment.desc(), entries.c.id.desc())
        age = func.row_number().over(partition_by=entries.c.port, order_by=newest)
        aged = select(entries, age.label("age")).subquery()
        found: dict[str, list[Entry]] = {}
        query = select(aged).where(aged.c.age <= count).order_by(aged.c.moment, aged.c.id)
        for entry in self._fetch(query):
            found.setdefault(entry.result.port, []).append(entry)
        return {port: tuple(found[port]) for port in sorted(found)}

    def of_commit(self, commit: str) -> dict[str, tuple[Entry, ...]]:
        """The entries of every port that was checked at a commit, the oldest first."""
        from harness.ports.history.schema import entries  # noqa: PLC0415

        found: dict[str, list[Entry]] = {}
        for entry in self._fetch(
            entries.select()
            .where(entries.c.commit == _plain(commit))
            .order_by(entries.c.moment, entries.c.id)
        ):
            found.setdefault(entry.result.port, []).append(entry)
        return {port: tuple(of_port) for port, of_port in found.items()}

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()

    def _fetch(self, query: Select[tuple[object, ...]]) -> tuple[Entry, ...]:
        reader = self.engine.execution_options(reading=True)
        with _said(self.shown), reader.connect() as connection:
            return tuple(_entry(row, self.shown) for row in connection.execute(query))


def check_packages(where: str) -> None:
    """Checks before any work that the packages for a history at this place are installed.

    Raises:
        HistoryError: one is not.
    """
    if not is_installed("sqlalchemy"):
        raise HistoryError(EXTRA)
    if where.startswith("postgres") and "://" in where and not is_installed("psycopg"):
        raise HistoryError(DRIVER)


@contextmanager
def open_history(where: str) -> Iterator[History]:
    """An open history: the path of an SQLite file, made if absent, or a PostgreSQL URL.

    Raises:
        HistoryError: the place cannot be opened or its schema is newer than this version; the
            message holds no password.
    """
    try:
        from harness.ports.history.connect import connect  # noqa: PLC0415
        from harness.ports.history.schema import ensure_schema  # noqa: PLC0415
    except ImportError as error:
        raise HistoryError(EXTRA) from error
    try:
        engine, shown = connect(where, wait_s=WAIT_S)
    except ImportError as error:
        raise HistoryError(DRIVER) from error
    history = History(engine=engine, shown=shown)
    try:
        with _said(shown):
            ensure_schema(engine, shown=shown)
        yield history
    finally:
        history.close()


def check_exists(where: str) -> None:
    """Nothing, where a history can be read: reading must not make an empty file.

    Raises:
        HistoryError: there is no such file.
    """
    path = where.removeprefix("sqlite:///")
    if ("://" not in where or path != where) and not Path(path).is_file():
        msg = "no such history; `harness check --history FILE` starts one"
        raise HistoryError(msg, source=where)


@contextmanager
def _said(shown: str) -> Iterator[None]:
    """Errors of the database in one line that a user can act on."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        yield
    except (SQLAlchemyError, ValueError, TypeError, OverflowError) as error:
        cause = getattr(error, "orig", None) or error
        line = " ".join(f"{cause!s:.300}".split()).rstrip(".?")
        msg = f"the history cannot be used: {line}. Check the place, the rights and the server."
        raise HistoryError(msg, source=shown) from None


def _row(result: PortResult, *, commit: str, moment: str) -> dict[str, object]:
    lean = dataclasses.replace(result, curve_steps=(), baseline_curve=(), candidate_curve=())
    return {
        "port": _plain(result.port),
        "moment": moment,
        "commit": _plain(commit),
        "verdict": result.verdict,
        "effect": result.relative_difference,
        "result": _plain(lean.to_json()),
    }


def _plain(text: str) -> str:
    r"""Text that every database takes: a lone surrogate becomes `\udc80`, JSON's own escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\u0000")


def _entry(row: Row[tuple[object, ...]], shown: str) -> Entry:
    """The entry of a row.

    Raises:
        HistoryError: the row is damaged; the message names it.
    """
    try:
        for name in ("result", "commit", "moment"):
            if not isinstance(getattr(row, name), str):
                msg = f"its {name} is no text"
                raise HarnessError(msg)
        result = PortResult.from_json(row.result)
        when = datetime.fromisoformat(row.moment)
        if when.tzinfo is None:
            msg = "its moment has no zone"
            raise HarnessError(msg)
    except (HarnessError, ValueError) as error:
        reason = error.message if isinstance(error, HarnessError) else error
        msg = f"row {row.id!r:.40} is damaged: {reason}. Delete that row, or restore a copy."
        raise HistoryError(msg, source=shown) from error
    return Entry(result=result, commit=row.commit, when=row.moment)
