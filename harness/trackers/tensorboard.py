"""Reads the runs of a log folder of TensorBoard, by its event files and without TensorBoard.

tensorboard:runs            every folder below that holds event files is a run, as TensorBoard shows
tensorboard:runs/seed_1     one of them
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ParseError
from harness.log.run import Run
from harness.trackers.event_files import NAME, event_files, holds_scalars, part_inside, read_events
from harness.trackers.ordering import natural

MAX_RUNS = 1000
"""Largest number of runs that one name may give."""


def read(where: str, *, source: str) -> tuple[Run, ...]:
    """Returns the runs below a folder, in the order of their names with numbers as numbers.

    Folders that a writer made inside the folder of its run (`add_scalars`, `add_hparams`) belong to
    that run. Folders without a scalar are left out.

    Raises:
        ParseError: there is no event file, no scalar, or more than 1000 runs.
    """
    path = Path(where)
    try:
        found = [path] if path.is_file() else list(_folders(path))
        runs = [folder for folder in found if holds_scalars(folder)]
        if len(runs) > MAX_RUNS:
            msg = f"more than {MAX_RUNS} runs; expected at most {MAX_RUNS}. Name a folder inside."
            raise ParseError(msg, source=source)
        if not runs:
            raise ParseError(_nothing(path, found), source=source)
        labels = [folder.relative_to(path).as_posix() for folder in runs]
        sources = [source if len(runs) == 1 else f"{source} [run {label}]" for label in labels]
        return tuple(read_events(r, source=name) for r, name in zip(runs, sources, strict=True))
    except OSError as error:
        msg = f"cannot be read: {error.strerror or error}; check the path"
        raise ParseError(msg, source=source) from error


def _folders(top: Path) -> Iterator[Path]:
    """Yields the folders with event files, but for those that are a part of the run above them."""
    for name, inner, files in os.walk(top):
        inner.sort(key=natural)
        folder = Path(name)
        if any(NAME in file for file in files) and event_files(folder):
            parts = [d for d in inner if event_files(folder / d) and part_inside(folder / d)]
            inner[:] = [d for d in inner if d not in parts]
            yield folder


def _nothing(path: Path, found: list[Path]) -> str:
    if not path.exists():
        return "no such folder; expected a log folder of TensorBoard. Check the path."
    if found:
        return (
            "event files without a scalar; expected the scalars of a training. Name the log folder "
            "to which the training writes its losses."
        )
    return (
        f"a folder without event files; expected files with {NAME} in their names. Name the folder "
        "that `tensorboard --logdir` gets."
    )
