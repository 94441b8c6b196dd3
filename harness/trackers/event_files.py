"""Reads the run in TensorBoard's event files, with the folders that its writer made inside.

runs/seed_1/events.out.tfevents.1732550000.host.123.0     a run: a file, or its folder
runs/seed_1/loss_val/events.out.tfevents....              `add_scalars("loss", {"val": ...})`
runs/seed_1/1732550000.5/events.out.tfevents....          `add_hparams(...)`
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.finish import run_of
from harness.parse.formats.event_settings import state_texts
from harness.parse.formats.events import event_of
from harness.parse.formats.tensorboard import HPARAMS, Events, TensorBoard, Window
from harness.trackers.gathering import state_settings
from harness.trackers.tfrecords import Records

MARK = b"brain.Event:"
"""Stands in the first record of every event file."""
NAME = ".tfevents."
HEAD_BYTES = 64
"""Bytes at the start of a file by which an event file is recognised."""
WAITING = 1000
"""Records that wait until they are written together."""
GLANCE = 1000
"""Records by which the folder that a writer made inside a run's folder is recognised."""


def is_event_file(start: bytes) -> bool:
    """Returns whether a file that starts with these 64 bytes holds events."""
    return MARK in start[:HEAD_BYTES]


def event_files(name: str | Path) -> list[Path]:
    """Returns the event files that a path names: itself, or those in the folder, in their order."""
    path = Path(name)
    try:
        if path.is_dir():
            inner = (file for file in path.iterdir() if NAME in file.name)
            return sorted(file for file in inner if file.is_file())
        if not path.is_file() or path.stat().st_size < HEAD_BYTES:
            return []  # reading the head of a pipe would lose it; a read from /proc may block
        with path.open("rb") as file:
            return [path] if is_event_file(file.read(HEAD_BYTES)) else []
    except OSError:
        return []  # opening the path as a log then reports the error


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Event files of a run. `under` precedes their tags; `settings_only` holds no curve."""

    paths: tuple[Path, ...]
    under: str = ""
    settings_only: bool = False


def part_inside(folder: Path) -> Part | None:
    """Returns what a folder inside a run's folder adds to the run; None if it is another run.

    `add_scalars` of torch makes a folder for each of its names, called by the tag and the name.
    `add_hparams` makes one with the hyperparameters and a few results.
    """
    paths = tuple(event_files(folder))
    steps, tags, settings = set(), [], False
    for data in _glance(paths):
        try:
            step, _, values = event_of(data)
        except ValueError:
            continue
        for value in values:
            settings |= value.plugin == HPARAMS
            if value.plugin in {"", "scalars"}:
                tags.append(value.tag)
                steps.add(step)
    if settings and len(steps) <= 1:
        return Part(paths=paths, settings_only=True)
    begin = f"{tags[0].replace('/', '_')}_" if tags else ""
    if begin and set(tags) == {tags[0]} and folder.name.startswith(begin):
        return Part(paths=paths, under=folder.name.removeprefix(begin))
    return None


def holds_scalars(path: Path) -> bool:
    """Returns whether the event files of a run hold a scalar, damaged ones included."""
    for part in parts_of_run(path):
        for file in part.paths if not part.settings_only else ():
            for data in _records(file):
                if data is None or _scalars(data):
                    return True
    return False


def _scalars(data: bytes) -> bool:
    try:
        return any(value.plugin in {"", "scalars"} for value in event_of(data)[2])
    except ValueError:
        return True  # reading the run reports it


def _records(path: Path) -> Iterator[bytes | None]:
    with path.open("rb") as file:
        records = Records(file, size=path.stat().st_size, seen=lambda _: None)
        yield from records
        if records.ended:
            yield None


def _glance(paths: tuple[Path, ...]) -> Iterator[bytes]:
    for path in paths:
        yield from (data for data in islice(_records(path), GLANCE) if data is not None)


def parts_of_run(path: Path) -> list[Part]:
    """Returns the event files of a run: itself, or those of its folder and the parts inside."""
    parts = [Part(paths=tuple(event_files(path)))]
    if path.is_dir() and parts[0].paths:
        inside = (part_inside(inner) for inner in sorted(path.iterdir()) if event_files(inner))
        parts += [part for part in inside if part is not None]
    return parts


def read_events(path: Path, *, source: str) -> Run:
    """Returns the run in an event file or in the folder of a run, with the hash of its files.

    A record whose checksum is wrong is skipped; behind a length whose checksum is wrong nothing is
    read. The files of a folder are read in the order in which they were begun.

    Raises:
        ParseError: the files hold no scalar.
        OSError: a file cannot be read.
    """
    into, content = Collector(), _Content()
    into.reader = TensorBoard.name
    events = Events(into)
    for part in parts_of_run(path):
        events.enter(part.under, settings_only=part.settings_only)
        windows: dict[Path, Window] = {}
        for file in part.paths:
            _read_file(file, events, into, content.add)
            window = events.window()
            if beside := next((p for p, w in windows.items() if w.is_beside(window)), None):
                into.refusals[TensorBoard.name] = (
                    f"{beside.name} and {file.name} were written at the same time; expected one "
                    "writer in a folder. If several processes train, let the first of them log, or "
                    "give each its own folder."
                )
            windows[file] = window
    state_settings(events.hparams, into)
    state_texts(events.texts, into)
    if events.ended:
        into.note(events.ended)
    lines = max(1, into.line)  # a torn file is not an empty one
    run = run_of(into, source=source, lines=lines, known=[TensorBoard.name])
    return replace(
        run, unfinished=events.ended, sha256=content.hash.hexdigest(), size_bytes=content.size
    )


def _read_file(path: Path, events: Events, into: Collector, seen: Callable[[bytes], None]) -> None:
    with path.open("rb") as file:
        records = Records(file, size=path.stat().st_size, seen=seen)
        for data in records:
            into.line += 1
            events.take(data)
            if len(into.waiting) > WAITING:
                into.write()
        into.write()
        if records.ended:
            into.note(records.ended, about=path.name)


class _Content:
    """The hash and the size of what was read."""

    def __init__(self) -> None:
        self.hash, self.size = hashlib.sha256(), 0

    def add(self, data: bytes) -> None:
        self.hash.update(data)
        self.size += len(data)
