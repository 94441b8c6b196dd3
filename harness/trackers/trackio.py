"""Trackio: the runs in a project's SQLite database, and the records that wait beside it.

trackio:port/seed_1                the run of that name, or of that id, in a project
trackio:port                       every run of a project, in the order in which they began
trackio:backup/trackio!port/seed_1 the same in another folder than TRACKIO_DIR
trackio:backup/port.db!seed_1      the same in a database

Trackio stores no state of a run: nothing tells a run that finished from one that still runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import ParseError
from harness.log.run import Run
from harness.trackers.gathering import Stored, gathered
from harness.trackers.registry import INSIDE
from harness.trackers.settings import flat
from harness.trackers.trackio_rows import SUFFIX, Entry, entries, file_name, projects
from harness.trackers.values import Rows

OWN = "_"
"""How the names of the entries begin that Trackio adds to a config."""
NAMED = 5
"""Runs or projects that a message names."""


class _Named(NamedTuple):
    """A run of a project: its identity, its name, and its entries in the order of logging."""

    key: str
    name: str
    entries: list[Entry]


def read(where: str, *, source: str) -> tuple[Run, ...]:
    """Returns the runs that `PROJECT`, `PROJECT/RUN` or `PATH!..` names, in the order they began.

    A name with slashes is read as a project and a run where a project of the first part exists.
    `RUN` is a name, or an id where several runs share the name.

    Raises:
        ParseError: there is no such project or run, several runs have the name, the database
            cannot be read, or no run holds a number.
    """
    path, mark, inside = where.rpartition(INSIDE)
    file = Path(path) if mark else Path(where)
    if file.suffix == SUFFIX and (mark or file.is_file()):
        runs = _runs(entries(file, file.parent, file.stem, source=source))
        return _read(runs, inside, f"trackio:{file}{INSIDE}", source)
    folder = Path(path) if mark else home()
    project, name = _split(inside, folder, source)
    found = entries(folder / (file_name(project) + SUFFIX), folder, project, source=source)
    start = f"trackio:{path}{mark}{project}/"
    return _read(_runs(found), name, start, source)


def home() -> Path:
    """Returns the folder in which Trackio keeps its projects, by its own rules."""
    own = os.environ.get("TRACKIO_DIR")
    if own:
        return Path(own)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    hub = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(hub).expanduser() / "trackio"


def _split(text: str, folder: Path, source: str) -> tuple[str, str]:
    """Returns the project and the run that a text names; the run is empty if it names none."""
    parts, known = text.split("/"), projects(folder)
    for n in (*range(1, len(parts)), len(parts)):
        project = "/".join(parts[:n])
        if project and file_name(project) in known:
            return project, "/".join(parts[n:])
    msg = (
        f"no project of that name in {folder}, which has {_listed(known) or 'no project'}; "
        f"expected trackio:PROJECT/RUN. Set TRACKIO_DIR, or name the folder: "
        f"trackio:FOLDER{INSIDE}{text}"
    )
    raise ParseError(msg, source=source)


def _runs(found: Sequence[Entry]) -> list[_Named]:
    """Returns the runs of a project in the order of their first entries."""
    runs: dict[str, _Named] = {}
    for entry in found:
        runs.setdefault(entry.key, _Named(entry.key, entry.name, [])).entries.append(entry)
    return list(runs.values())


def _read(runs: list[_Named], name: str, start: str, source: str) -> tuple[Run, ...]:
    if not runs:
        msg = "the project has no run with metrics; expected trackio:PROJECT/RUN"
        raise ParseError(msg, source=source)
    if name:
        return (_run(_chosen(runs, name, source), start + name),)
    names = [run.name for run in runs]
    labels = [run.name if names.count(run.name) == 1 else run.key for run in runs]
    return tuple(_run(run, start + label) for run, label in zip(runs, labels, strict=True))


def _chosen(runs: list[_Named], name: str, source: str) -> _Named:
    """Returns the run of this id or name."""
    named = [run for run in runs if run.key == name] or [run for run in runs if run.name == name]
    if len(named) == 1:
        return named[0]
    if named:
        ids = _listed([run.key for run in named])
        msg = f"{len(named)} runs are named {name!r}; expected one. Name it by its id: {ids}"
    else:
        msg = f"no run {name!r} in the project; it has {_listed([run.name for run in runs])}"
    raise ParseError(msg, source=source)


def _run(run: _Named, source: str) -> Run:
    rows, settings = Rows(), dict[str, object]()
    for at, entry in enumerate(run.entries):
        rows.add(at, entry.step, entry.metrics)
        settings |= entry.config
    settings = {name: value for name, value in settings.items() if not name.startswith(OWN)}
    stored = Stored(metrics=rows.metrics(), settings=flat(settings), facts={}, notes=rows.notes())
    return gathered(stored, source=source, reader="trackio")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
