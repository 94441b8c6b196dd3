"""Reads the runs of Weights & Biases from its local files, without its package or a server.

wandb:wandb/latest-run                                (a run's folder, or its `run-ID.wandb`)
wandb:wandb                                           (a folder of runs gives all of them)
wandb:wandb!abc1                                      (one of them, by its identifier or name)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import ParseError
from harness.log.run import Run
from harness.log.wording import counted
from harness.trackers.gathering import Stored, gathered, with_figures
from harness.trackers.ordering import natural
from harness.trackers.wandb_log import HEAD, Log
from harness.trackers.wandb_records import Content
from harness.trackers.wandb_run import stored

SUFFIX = ".wandb"
MAX_RUNS = 1000
"""Largest number of runs that one name may give."""


def read(where: str, *, source: str) -> tuple[Run, ...]:
    """Returns the runs in a file, a run's folder or a folder of runs, the oldest first.

    Files of one run, which was resumed, are read in the order in which they were begun. Runs that
    logged nothing are left out beside others.

    Raises:
        ParseError: there is no such path or run, more than 1000 runs, or a file is no log of W&B or
            holds no number.
    """
    runs = _found(where, source)
    told = [run for run in runs if run.content.rows] or runs
    if len(told) > MAX_RUNS:
        msg = f"{len(told)} runs; expected at most {MAX_RUNS}. Name one: wandb:FOLDER!RUN."
        raise ParseError(msg, source=source)
    if len(told) < len(runs):
        told[0].notes.append(f"{counted(len(runs) - len(told), 'run')} without history left out")
    alone = len(told) == 1
    labels = [source if alone else f"{source} [run {run.label}]" for run in told]
    kept = with_figures(labels, [stored(run.content, notes=run.notes) for run in told])
    return tuple(told[i].read(labels[i], content) for i, content in kept)


def contents(where: str, *, source: str) -> list[Content]:
    """Returns what the logs of the runs say that `read` returns, those without history included.

    Raises:
        ParseError: as `read`.
    """
    return [run.content for run in _found(where, source)]


def _found(where: str, source: str) -> list[_Files]:
    place, _, wanted = where.partition("!")
    try:
        files = _files(Path(place), source)
        return _wanted(_by_run(files, source), wanted, source)
    except OSError as error:
        msg = f"cannot be read: {error.strerror or error}; check the path"
        raise ParseError(msg, source=source) from error


class _Files:
    """The files of one run."""

    def __init__(self) -> None:
        self.content = Content()
        self.label = ""
        self._hash, self._size = hashlib.sha256(), 0
        self.notes: list[str] = []

    def add(self, path: Path, source: str) -> None:
        """Reads one more file.

        Raises:
            ParseError: it is no log of W&B.
            OSError: it cannot be read.
        """
        with path.open("rb") as file:
            if file.read(len(HEAD)) != HEAD:
                msg = f"{path.name} does not begin as a transaction log of W&B; name a run's folder"
                raise ParseError(msg, source=source)
            file.seek(0)
            before = len(self.content.rows), self.content.ended
            self.content.ended = None
            log = Log(file, size=path.stat().st_size, seen=self._seen)
            for record in log:
                self.content.take(record)
            if log.ended:
                self.notes.append(f"{path.name} {log.ended}")
            if before[0] == len(self.content.rows) and before[0]:
                self.content.ended = before[1]  # a file that only adds to the summary
        self.label = self.label or self.content.run_id or path.stem.removeprefix("run-")

    def _seen(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)

    def read(self, source: str, content: Stored) -> Run:
        """Returns the run with this content.

        Raises:
            ParseError: it holds no number.
        """
        run = gathered(content, source=source, reader="wandb")
        return replace(run, sha256=self._hash.hexdigest(), size_bytes=self._size)


def _files(place: Path, source: str) -> list[Path]:
    """The logs that a path names, in the order in which they were begun."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        msg = "no such file or folder; expected a run's folder, such as wandb/latest-run"
        raise ParseError(msg, source=source)
    for folder in (place, place / "wandb"):
        found = sorted(folder.glob(f"*{SUFFIX}")) or sorted(
            (p for p in folder.glob(f"*run-*/*{SUFFIX}") if p.parent.name != "latest-run"),
            key=lambda p: natural(p.parent.name.removeprefix("offline-")),
        )
        if found:
            return found
    msg = (
        f"a folder without logs of W&B; expected a file run-ID{SUFFIX}, or folders with such "
        "files. Name the folder `wandb` of the training."
    )
    raise ParseError(msg, source=source)


def _by_run(files: Sequence[Path], source: str) -> list[_Files]:
    """The runs, each of the files that end with its identifier."""
    runs: dict[str, _Files] = {}
    for path in files:
        runs.setdefault(path.name, _Files()).add(path, source)
    return list(runs.values())


def _wanted(runs: list[_Files], wanted: str, source: str) -> list[_Files]:
    """Returns the runs with this identifier, otherwise those with this name.

    An empty `wanted` gives all.
    """
    found = [run for run in runs if wanted in {"", run.label}]
    found = found or [run for run in runs if run.content.name == wanted]
    if not found:
        known = ", ".join(f"{run.label} ({run.content.name})" for run in runs[:5])
        msg = f"no run {wanted!r:.80}; the folder has {known}{', ...' if len(runs) > 5 else ''}"
        raise ParseError(msg, source=source)
    return found
