"""MLflow's database, read by sqlite3 without a change to it.

mlflow:runs/mlflow.db!port/seed_1        MLFLOW_TRACKING_URI=sqlite:///runs/mlflow.db
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.errors import ParseError
from harness.log.shown import shown
from harness.trackers.mlflow_runs import Experiment, Point, Row, name_of, point_of, value_of

WAIT_S = 10.0
"""Seconds to wait for a program that is writing into the database."""
LISTED = 20
_TABLES = ("experiments", "runs", "metrics", "params", "tags")
_RUN = "SELECT run_uuid, name, status, start_time, lifecycle_stage FROM runs WHERE "


class SqliteStore:
    """A database. No query keeps the database from a training that writes to it."""

    def __init__(self, path: Path, *, source: str) -> None:
        self.shown = shown(str(path))
        self._source = source
        self._path = path
        self._data = self._opened(path)

    def close(self) -> None:
        """Closes the database."""
        self._data.close()

    def experiments(self, name: str) -> Sequence[Experiment]:
        """Returns the experiments with this name or id."""
        by_name = self._experiments("WHERE name = ?", name)
        return by_name or self._experiments("WHERE CAST(experiment_id AS TEXT) = ?", name)

    def listed(self) -> Sequence[Experiment]:
        """Returns some experiments."""
        return self._experiments("ORDER BY experiment_id LIMIT ?", LISTED)

    def _experiments(self, which: str, value: object) -> list[Experiment]:
        rows = self._rows(
            f"SELECT experiment_id, name, lifecycle_stage FROM experiments {which}",  # noqa: S608
            value,
        )
        return [
            Experiment(id=str(number), name=str(name), deleted=stage == "deleted")
            for number, name, stage in rows
        ]

    def runs(self, experiment: Experiment) -> Sequence[Row]:
        """Returns the runs of an experiment."""
        rows = self._rows(f"{_RUN} experiment_id = ?", int(experiment.id))
        return [self._row(row) for row in rows]

    def run(self, run_id: str) -> Row | None:
        """Returns the run of an id."""
        rows = self._rows(f"{_RUN} run_uuid = ?", run_id)
        return self._row(rows[0]) if rows else None

    def _row(self, row: Sequence[Any]) -> Row:
        run_id, name, status, start, stage = row
        tags = self._pairs("tags", run_id)
        return Row(
            id=run_id,
            name=name_of(name, tags),
            status=str(status),
            start=int(start or 0),
            deleted=stage == "deleted",
            params=self._pairs("params", run_id),
            tags=tags,
        )

    def _pairs(self, table: str, run_id: str) -> dict[str, str]:
        rows = self._rows(
            f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY key",  # noqa: S608
            run_id,
        )
        return {str(key): str(value) for key, value in rows if value is not None}

    def points(self, row: Row) -> Mapping[str, Sequence[Point]]:
        """Returns the points of every metric; those of one ms in the order of their insertion."""
        rows = self._rows(
            "SELECT key, timestamp, step, value, is_nan FROM metrics WHERE run_uuid = ? "
            "ORDER BY key, timestamp, rowid",
            row.id,
        )
        points: dict[str, list[Point]] = {}
        try:
            for key, time, step, value, is_nan in rows:
                point = point_of(time, step, value_of(value, is_nan=bool(is_nan)))
                points.setdefault(str(key), []).append(point)
        except (TypeError, ValueError, OverflowError) as error:
            msg = f"{self.shown}: a point of the run {row.id} is not a number ({error!s:.80})"
            raise ParseError(f"{msg}; restore the database", source=self._source) from error
        return points

    def _rows(self, query: str, value: object) -> list[Any]:
        """Returns all rows at once: a query that is kept open would keep a training from writing.

        Raises:
            ParseError: the database is locked, damaged, or has other columns.
        """
        try:
            return self._data.execute(query, (value,)).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _opened(self, path: Path) -> sqlite3.Connection:
        try:
            return self._checked(_connect(path, "mode=ro"))
        except sqlite3.OperationalError as error:
            wal = path.with_name(f"{path.name}-wal")
            if wal.exists() and wal.stat().st_size:
                raise self._unreadable(error) from error
            if "locked" in str(error):
                raise self._unreadable(error) from error
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        # In a folder that nobody may write to, a database with a write-ahead log cannot be shared;
        # without pending changes its file is the whole of it.
        try:
            return self._checked(_connect(path, "mode=ro&immutable=1"))
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _checked(self, data: sqlite3.Connection) -> sqlite3.Connection:
        """Returns the connection again if it has MLflow's tables.

        Raises:
            ParseError: a table is missing.
            sqlite3.Error: the database cannot be read.
        """
        try:
            rows = data.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except BaseException:
            data.close()
            raise
        missing = [name for name in _TABLES if (name,) not in rows]
        if missing:
            data.close()
            msg = (
                f"{self.shown} is no database of MLflow: it has no table {missing[0]!r}; name the "
                "file that MLflow writes (by default mlflow.db)"
            )
            raise ParseError(msg, source=self._source)
        return data

    def _unreadable(self, error: sqlite3.Error) -> ParseError:
        text = str(error)
        if "locked" in text:
            why = f"is locked by another program for {WAIT_S:g} s; read it when that has finished"
        elif isinstance(error, sqlite3.OperationalError) and "no such column" in text:
            why = f"is of a version of MLflow that is too old ({text}); run `mlflow db upgrade`"
        else:
            why = f"cannot be read by sqlite3 ({shown(text)}); check the file, or copy it with -wal"
        return ParseError(f"{self.shown} {why}", source=self._source)


def _connect(path: Path, how: str) -> sqlite3.Connection:
    place = f"file:{quote(str(path.absolute()))}?{how}"
    return sqlite3.connect(place, uri=True, timeout=WAIT_S)
