"""SwanLab: the runs in a folder of local logs, online, offline or local.

swanlab:swanlog                                  every run in a folder, in the order of their names,
                                                 which begin with the time of the start
swanlab:swanlog/run-20260102_030405-a1b2c3       one run, by its folder or its file *.swanlab
swanlab:swanlog!seed_1                           the run of that name or id in a folder
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import ParseError
from harness.log.run import Run
from harness.parse.plain_yaml import MAX_TEXT, read_yaml
from harness.trackers.gathering import Stored, gathered, with_figures
from harness.trackers.registry import INSIDE
from harness.trackers.settings import flat
from harness.trackers.swanlab_file import read_file
from harness.trackers.swanlab_folder import read_folder
from harness.trackers.swanlab_points import Found
from harness.trackers.values import points_of

FILES = "*.swanlab"
SCALARS = "logs"
"""The folder in that of a run in which the local mode writes a file for each metric."""
CONFIG = "files/config.yaml"
PREFIX = "run-"
NAMED = 5
"""Runs that a message names."""


def read(where: str, *, source: str) -> tuple[Run, ...]:
    """Returns the runs that a folder, a file, or `FOLDER!NAME` names, sorted by their folders.

    Raises:
        ParseError: nothing of SwanLab is there, no run or several have the name, or a run cannot be
            read or has no number.
    """
    path, _, name = where.partition(INSIDE)
    folders = _folders(Path(path).expanduser(), source)
    found = [_found(folder, source) for folder in folders]
    if not name:
        one = len(found) == 1 and folders[0] == Path(path).expanduser()
        labels = [source if one else f"swanlab:{folder}" for folder in folders]
        runs = with_figures(labels, list(map(_content, found, folders)))
        return tuple(gathered(run, source=labels[i], reader="swanlab") for i, run in runs)
    chosen = [i for i, run in enumerate(found) if name in {run.name, run.id, folders[i].name}]
    if len(chosen) != 1:
        names = [run.name or folder.name for run, folder in zip(found, folders, strict=True)]
        if chosen:
            names = [folders[i].name for i in chosen]
        count = f"{len(chosen)} runs are" if chosen else "no run is"
        what = "name the folder of one" if chosen else "its runs"
        msg = f"{count} named {name!r} in {path}; {what}: {_listed(names)}"
        raise ParseError(msg, source=source)
    run = _content(found[chosen[0]], folders[chosen[0]])
    return (gathered(run, source=source, reader="swanlab"),)


def _folders(path: Path, source: str) -> list[Path]:
    """Returns the folders of runs, or the file of one, that a path names."""
    if path.is_file() and path.match(FILES):
        return [path]
    if not path.is_dir():
        msg = f"no folder or file {path}; expected a folder `swanlog`, or a run's folder in it"
        raise ParseError(msg, source=source)
    if _is_run(path):
        return [path]
    runs = sorted(folder for folder in path.glob(f"{PREFIX}*") if _is_run(folder))
    if not runs:
        msg = f"no run of SwanLab in {path}; expected folders `run-*` with a file *.swanlab"
        raise ParseError(msg, source=source)
    return runs


def _is_run(folder: Path) -> bool:
    is_index = (folder / f"runs{FILES[1:]}").is_file()
    return (any(folder.glob(FILES)) and not is_index) or (folder / SCALARS).is_dir()


def _found(path: Path, source: str) -> Found:
    """Returns what SwanLab stored of a run: the records of its file, or its files of scalars."""
    if path.is_file():
        return read_file(path, source=source)
    files = sorted(path.glob(FILES))
    return read_file(files[0], source=source) if files else read_folder(path, source=source)


def _content(found: Found, path: Path) -> Stored:
    folder = path.parent if path.is_file() else path
    notes = list(found.notes)
    return Stored(
        metrics=points_of(found.points(), notes.append),
        settings=flat(_config(folder / CONFIG, notes)),
        facts={},
        notes=notes,
        unfinished=found.unfinished,
    )


def _config(file: Path, notes: list[str]) -> dict[str, Any]:
    """Returns the config of a run, whose file has a description and a value for each setting."""
    try:
        if not file.is_file() or file.stat().st_size > MAX_TEXT:
            return {}
        settings = read_yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        notes.append(f"{file.name} cannot be read, so the config is unknown: {error}")
        return {}
    return {
        name: entry["value"] if isinstance(entry, dict) and "value" in entry else entry
        for name, entry in settings.items()
    }


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more
