"""Where MLflow keeps its runs: the store that a name, a variable or the present folder states."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from harness.errors import ParseError
from harness.log.shown import shown
from harness.trackers.mlflow_runs import Experiment, Point, Row

VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE, FOLDER = "mlflow.db", "mlruns"
"""Where MLflow writes if nobody says where: the folder if it holds experiments already."""
_SQLITE = ("sqlite:///", "sqlite+pysqlite:///")


class Store(Protocol):
    """A store of MLflow; `shown` is its name for messages, without secrets."""

    shown: str

    def experiments(self, name: str) -> Sequence[Experiment]:
        """Returns the experiments with this name or id, deleted ones included."""

    def listed(self) -> Sequence[Experiment]:
        """Returns some experiments, for a message."""

    def runs(self, experiment: Experiment) -> Sequence[Row]:
        """Returns the runs of an experiment, deleted ones included."""

    def run(self, run_id: str) -> Row | None:
        """Returns the run of an id; None if there is none."""

    def points(self, row: Row) -> Mapping[str, Sequence[Point]]:
        """Returns the points of every metric of a run, in the order in which they were logged."""

    def close(self) -> None:
        """Releases the store."""


@contextmanager
def open_store(place: str, *, source: str) -> Iterator[Store]:
    """Opens a store for reading: a path, a URI as MLflow takes it, or, if empty, the default.

    Raises:
        ParseError: there is no such store, it is of a kind that is not read, or its content has
            another form than MLflow gives it.
    """
    store = _store(place or os.environ.get(VARIABLE, ""), source)
    try:
        yield store
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        what = f"{type(error).__name__}: {shown(str(error))[:80]}"
        msg = (
            f"{store.shown} holds something that MLflow does not write ({what}); check its version"
        )
        raise ParseError(msg, source=source) from error
    finally:
        store.close()


def _store(place: str, source: str) -> Store:
    if place.lower().startswith(("http://", "https://")):
        from harness.trackers.mlflow_rest import RestStore  # noqa: PLC0415  (only a server needs it)

        return RestStore(place, source=source)
    path = _path(place, source)
    if path.is_dir():
        from harness.trackers.mlflow_files import FileStore  # noqa: PLC0415  (likewise)

        return FileStore(path, source=source)
    from harness.trackers.mlflow_sqlite import SqliteStore  # noqa: PLC0415  (likewise)

    return SqliteStore(path, source=source)


def _path(place: str, source: str) -> Path:
    """Returns the database or the folder that a text names.

    Raises:
        ParseError: it names neither, or nothing is there.
    """
    sqlite = next((start for start in _SQLITE if place.lower().startswith(start)), "")
    if sqlite:
        path = Path(unquote(place[len(sqlite) :].partition("?")[0]))
    elif place.lower().startswith("file:"):
        path = Path(unquote(urlsplit(place).path))
    elif "://" in place:
        msg = (
            f"a store of the kind {shown(place.partition('://')[0])!r:.40}, which is not read; "
            "expected SQLite, a folder, or http(s). Start `mlflow server` on it and pass its URL: "
            "mlflow:http://127.0.0.1:5000!EXPERIMENT/RUN"
        )
        raise ParseError(msg, source=source)
    else:
        path = Path(place) if place else _default()
    if not path.exists():
        where = "" if place else f"{VARIABLE} is not set, and "
        msg = (
            f"{where}{shown(str(path))} does not exist; set {VARIABLE}, or name the store: "
            "mlflow:PATH!EXPERIMENT/RUN"
        )
        raise ParseError(msg, source=source)
    return path


def _default() -> Path:
    """Returns where MLflow writes in the present folder: as it does, a folder in use is kept."""
    used = any(Path(FOLDER).glob("*/meta.yaml"))
    return Path(FOLDER if used else DATABASE)
