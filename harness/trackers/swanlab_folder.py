"""Runs of SwanLab's local mode: a folder of JSON lines for each metric, listed in a database.

swanlog/runs.swanlab                                the names of the folders, and how runs ended
swanlog/run-20250102_030405-a1b2c3/logs/0/1000.log  {"index": 0, "data": 0.25, "create_time": ..}
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness.errors import ParseError
from harness.parse.jsonlike import loads
from harness.trackers.sqlite import columns, opened
from harness.trackers.swanlab_points import Found

INDEX = "runs.swanlab"
_ENDS = {1: 1, -1: 2}
"""The state of a run by its status in the database: 0 is running."""


def read_folder(folder: Path, *, source: str) -> Found:
    """Returns what the files of scalars of a run state.

    Metrics of system measurements and of media are left out.

    Raises:
        ParseError: the database cannot be read.
    """
    found = Found(id=folder.name)
    names = _index(folder, found, source)
    for inside in sorted((folder / "logs").iterdir()):
        if inside.is_dir():
            key = names.get(inside.name, "" if names else unquote(inside.name))
            if key:
                found.raw += [(key, step, value) for step, value in _points(inside, found)]
    return found


def _index(folder: Path, found: Found, source: str) -> dict[str, str]:
    """Returns the names of the run's metrics by their folders; takes its name and its end."""
    database = folder.parent / INDEX
    if not database.is_file():
        found.notes.append(f"no {INDEX} beside the run: metrics are named by their folders")
        return {}
    try:
        with closing(opened(database, source=source)) as store:
            row = store.execute(
                "SELECT id, name, status FROM experiment WHERE run_id = ?", (folder.name,)
            ).fetchone()
            if row is None:
                return {}
            found.name = str(row[1])
            found.end(_ENDS.get(row[2], 0))
            where = "folder" if "folder" in columns(store, "tag") else "name"
            query = f"SELECT {where}, name FROM tag WHERE experiment_id = ?"  # noqa: S608
            return {str(inside or name): name for inside, name in store.execute(query, row[:1])}
    except sqlite3.Error as error:
        msg = f"{INDEX} cannot be read: {error}; expected the database of SwanLab's local mode"
        raise ParseError(msg, source=source) from error


def _points(folder: Path, found: Found) -> Iterator[tuple[int, Any]]:
    """Yields the step and the value of each line of a metric, in order."""
    files = [file for file in folder.glob("*.log") if file.stem.isdecimal()]
    for file in sorted(files, key=lambda file: int(file.stem)):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            entry = loads(line)
            if not isinstance(entry, dict) or not isinstance(entry.get("index"), int):
                found.notes.append(
                    f"{folder.name}/{file.name} has a damaged line, which is left out"
                )
                continue
            yield entry["index"], entry.get("data")
