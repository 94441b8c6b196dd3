"""Recognises the names of tables: `TABLE`, or `TABLE#RUN` for some of its runs."""

from __future__ import annotations

import glob
from pathlib import Path

from harness.storage.places import is_log_name, place_of
from harness.storage.table.folder import folder_of
from harness.storage.table.manifest import COLLECTED, COLLECTING

MARK = "#"
"""Separates a table from the name of a run in it."""


def table_of(name: str) -> tuple[str, str] | None:
    """Returns the folder and the selection that the name of a table states; None for other names.

    A collect that is not finished counts as a table, so that reading it says so.
    """
    place = place_of(name)
    if place.kind not in {"file", "store"}:
        return None
    if place.kind == "store":
        folder, mark, selection = place.name.partition(MARK)
        if mark:
            return folder.rstrip("/"), selection
        last = folder.rstrip("/").rpartition("/")[2]
        is_table = bool(last) and not is_log_name(last) and not glob.has_magic(folder)
        return (folder.rstrip("/"), "") if is_table and _has_manifest(folder) else None
    path = Path(place.name)
    try:
        if path.exists():
            return (place.name.rstrip("/"), "") if _is_local(path) else None
    except OSError:  # a name that is too long
        return None
    return _local_table(place.name)


def _local_table(name: str) -> tuple[str, str] | None:
    """Returns the first folder with a table that a mark follows, and what follows the mark."""
    parts = name.split(MARK)
    for end in range(1, len(parts)):
        folder = MARK.join(parts[:end])
        if folder and _is_local(Path(folder)):
            return folder.rstrip("/"), MARK.join(parts[end:])
    return None


def _is_local(path: Path) -> bool:
    return any((path / file).is_file() for file in (COLLECTED, COLLECTING))


def _has_manifest(url: str) -> bool:
    folder = folder_of(url)
    return any(folder.read(file) is not None for file in (COLLECTED, COLLECTING))
