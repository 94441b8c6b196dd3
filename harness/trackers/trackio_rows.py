"""The entries of a Trackio project: rows of its database, and records that wait to be imported.

On file systems that SQLite cannot lock, Trackio appends JSON lines to `inbox/WRITER/00000000.jsonl`
beside the databases, and a dashboard imports them later. An entry may be in both places.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import ParseError
from harness.trackers.sqlite import columns, opened

SUFFIX = ".db"
INBOX = "inbox"
MAX_JSON = 1 << 26
"""Bytes of one entry."""


class Entry(NamedTuple):
    """What one call of `trackio.log` stored. `key` is the id of its run, its name in old files."""

    key: str
    name: str
    step: int
    metrics: Mapping[str, Any]
    config: Mapping[str, Any] = {}


def file_name(project: str) -> str:
    """Returns the name under which Trackio stores a project.

    >>> file_name("my port/v1.2"), file_name("...")
    ('myportv12', 'default')
    """
    return "".join(c for c in project if c.isalnum() or c in "-_") or "default"


def projects(folder: Path) -> list[str]:
    """Returns the names under which the projects of a folder are stored, sorted."""
    stored = {file.stem for file in folder.glob(f"*{SUFFIX}")}
    waiting = {str(record.get("project")) for record in _records(folder / INBOX)}
    return sorted(stored | {file_name(project) for project in waiting})


def entries(database: Path, folder: Path, project: str, *, source: str) -> list[Entry]:
    """Returns the entries of a project in the order of logging, those of each run with its config.

    Raises:
        ParseError: the database cannot be read, or is not Trackio's.
    """
    seen: set[str] = set()
    found = []
    if database.is_file() or not (folder / INBOX).is_dir():
        try:
            with closing(opened(database, source=source)) as store:
                found = list(_stored(store, seen, source))
        except sqlite3.Error as error:
            msg = f"the database cannot be read: {error}; expected Trackio's PROJECT.db"
            raise ParseError(msg, source=source) from error
    return [*found, *_waiting(folder / INBOX, project, seen)]


def _stored(store: sqlite3.Connection, seen: set[str], source: str) -> Iterator[Entry]:
    """Yields the rows of a database; adds to `seen` the ids of their log calls."""
    present = columns(store, "metrics")
    if not {"run_name", "step", "metrics"} <= present:
        msg = "no table of Trackio's metrics in the database; expected Trackio's PROJECT.db"
        raise ParseError(msg, source=source)
    configs = _configs(store)
    key = _key(present)
    log_id = "log_id" if "log_id" in present else "NULL"
    query = f"SELECT {key}, run_name, step, metrics, {log_id} FROM metrics ORDER BY id"  # noqa: S608
    for run, name, step, metrics, log in store.execute(query):
        if log:
            seen.add(log)
        config = configs.pop(run, {})
        yield Entry(str(run), str(name), int(step), _object(metrics), config)


def _configs(store: sqlite3.Connection) -> dict[str, Mapping[str, Any]]:
    present = columns(store, "configs")
    if not present:
        return {}
    rows = store.execute(f"SELECT {_key(present)}, config FROM configs")  # noqa: S608
    return {run: _object(config) for run, config in rows}


def _key(present: set[str]) -> str:
    """Returns the column that identifies a run: Trackio before 0.24 had no ids."""
    return "COALESCE(run_id, run_name)" if "run_id" in present else "run_name"


def _waiting(inbox: Path, project: str, seen: set[str]) -> Iterator[Entry]:
    """Yields the entries of a project that no dashboard has imported yet."""
    for record in _records(inbox):
        stated = str(record.get("project"))
        if file_name(stated) != file_name(project) or record.get("log_id") in seen:
            continue
        name, step = str(record.get("run")), record.get("step")
        yield Entry(
            str(record.get("run_id") or name),
            name,
            step if isinstance(step, int) else -1,
            record.get("metrics") or {},
            record.get("config") or {},
        )


def _records(inbox: Path) -> list[dict[str, Any]]:
    """Returns the records of metrics that wait, in the order of time."""
    found = []
    for file in sorted(inbox.glob("*/*.jsonl")):
        with file.open("rb") as lines:
            found += [record for record in map(_object, lines) if record.get("kind") == "metric"]
    return sorted(found, key=lambda record: str(record.get("timestamp")))


def _object(data: Any) -> dict[str, Any]:
    """Returns the JSON object of a cell or a line; empty if it is something else."""
    try:
        value = json.loads(data) if len(data) <= MAX_JSON else None
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
