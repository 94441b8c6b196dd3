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
from typing import Any, NamedTuple

from harness.errors import ParseError
from harness.log.run import Run
from harness.trackers.gathering import OWN as VERDICT
from harness.trackers.gathering import Stored, gathered, with_figures
from harness.trackers.registry import INSIDE
from harness.trackers.settings import flat
from harness.trackers.trackio_rows import SUFFIX, Entry, entries, file_name, projects
from harness.trackers.values import Rows

OWN = "_"
"""How the names of the entries begin that Trackio adds to a config."""
NAMED = 5
"""Runs or projects that a message names."""


class Named(NamedTuple):
    """A run of a project: its identity, its name, and its entries in the order of logging."""

    key: str
    name: str
    entries: list[Entry]

    @property
    def config(self) -> dict[str, Any]:
        """The config that the run has, as Trackio stores it."""
        config: dict[str, Any] = {}
        for entry in self.entries:
            config |= entry.config
        return {name: value for name, value in config.items() if not name.startswith(OWN)}


class Found(NamedTuple):
    """What a name gives: all runs of a project, and the name of the one that it names, or "".

    `folder` is empty for that in which Trackio itself looks; `start` begins the name of each run.
    """

    folder: str
    project: str
    start: str
    one: str
    runs: list[Named]


def read(where: str, *, source: str) -> tuple[Run, ...]:
    """Returns the runs that `PROJECT`, `PROJECT/RUN` or `PATH!..` names, in the order they began.

    A name with slashes is read as a project and a run where a project of the first part exists.
    `RUN` is a name, or an id where several runs share the name. Of a project, runs without a figure
    of their training are left out.

    Raises:
        ParseError: there is no such project or run, several runs have the name, the database
            cannot be read, or no run holds a number.
    """
    found = find(where, source=source)
    if found.one:
        run = chosen(found.runs, found.one, source)
        return (_run(_content(run), found.start + found.one),)
    given = [run.name for run in found.runs]
    labels = [run.name if given.count(run.name) == 1 else run.key for run in found.runs]
    contents = [
        (found.start + label, _content(run)) for label, run in zip(labels, found.runs, strict=True)
    ]
    kept = [(name, content) for name, content in contents if _trains(content)]
    if not any(content.metrics for _, content in kept):
        msg = "the project has no run with metrics; expected trackio:PROJECT/RUN"
        raise ParseError(msg, source=source)
    names = [name for name, _ in kept]
    runs = with_figures(names, [content for _, content in kept])
    return tuple(_run(content, names[i]) for i, content in runs)


def find(where: str, *, source: str) -> Found:
    """Returns what the text behind `trackio:` names.

    Raises:
        ParseError: there is no such project, or the database cannot be read.
    """
    path, mark, inside = where.rpartition(INSIDE)
    file = Path(path) if mark else Path(where)
    if file.suffix == SUFFIX and (mark or file.is_file()):
        runs = _runs(entries(file, file.parent, file.stem, source=source))
        return Found(str(file.parent), file.stem, f"trackio:{file}{INSIDE}", inside, runs)
    folder = Path(path) if mark else home()
    project, name = _split(inside, folder, source)
    runs = _runs(entries(folder / (file_name(project) + SUFFIX), folder, project, source=source))
    return Found(path, project, f"trackio:{path}{mark}{project}/", name, runs)


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


def _runs(found: Sequence[Entry]) -> list[Named]:
    """Returns the runs of a project in the order of their first entries."""
    runs: dict[str, Named] = {}
    for entry in found:
        runs.setdefault(entry.key, Named(entry.key, entry.name, [])).entries.append(entry)
    return list(runs.values())


def chosen(runs: Sequence[Named], name: str, source: str) -> Named:
    """Returns the run of this id or, if there is none, of this name.

    Raises:
        ParseError: no run has it, or several have the name.
    """
    named = [run for run in runs if run.key == name] or [run for run in runs if run.name == name]
    if len(named) == 1:
        return named[0]
    if named:
        ids = _listed([run.key for run in named])
        msg = f"{len(named)} runs are named {name!r}; expected one. Name it by its id: {ids}"
    else:
        msg = f"no run {name!r} in the project; it has {_listed([run.name for run in runs])}"
    raise ParseError(msg, source=source)


def _content(run: Named) -> Stored:
    rows = Rows()
    for at, entry in enumerate(run.entries):
        rows.add(at, entry.step, entry.metrics)
    return Stored(metrics=rows.metrics(), settings=flat(run.config), facts={}, notes=rows.notes())


def _trains(content: Stored) -> bool:
    """Whether a run is of a training: not one to which the harness alone wrote, its verdicts."""
    return not content.metrics or any(not name.startswith(VERDICT) for name in content.metrics)


def _run(content: Stored, source: str) -> Run:
    return gathered(content, source=source, reader="trackio")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
