"""Hashes of the bytes on which a verdict rests, so that a later check can recognise them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.comparison.pipeline import Comparison
from harness.errors import HarnessError
from harness.ports.manifest import Port
from harness.storage.baselines import is_recording
from harness.storage.inputs import BASELINES
from harness.storage.logs import expand
from harness.storage.places import is_url, parts_of
from harness.storage.published import asked_for, files
from harness.storage.shelf import TOML
from harness.trackers.event_files import NAME

Content = tuple[tuple[str, str], ...]
"""Paths, each with the SHA-256 of its content."""


def content(port: Port, root: Path) -> Content | None:
    """Returns the files of both sides of a port, with the hashes of their present content.

    None if the content may differ at the next reading (a URL, a pipe), or if a file is absent.
    """
    parts = [_absolute(_content(attempt, root, {})) for attempt in port.tries()]
    whole = [pair for part in parts if part is not None for pair in part]
    return None if None in parts else tuple(whole)


def _absolute(pairs: Content | None) -> Content | None:
    """Returns the content with absolute paths, so that it is the same from any folder."""
    return pairs and tuple((str(Path(path).absolute()), sha) for path, sha in pairs)


def _content(port: Port, root: Path, known: Mapping[str, str]) -> Content | None:
    """Returns what `content` returns, without reading the files whose hashes are `known`."""
    try:
        return tuple(
            (path, known.get(path) or _hash(Path(path)))
            for spec in (port.baseline, port.candidate)
            for path in _paths(spec, root)
        )
    except (HarnessError, OSError, ValueError):
        return None


def recorded(port: Port, root: Path) -> Content | None:
    """Returns the part of `content` that is recorded baselines and files of published results.

    Call it before they are read.
    """
    both = (port.baseline, port.candidate)
    try:
        folders = [folder for spec in both for part in _parts(spec, root)
                   if (folder := _recording(part, root)) is not None]  # fmt: skip
        results = [path for spec in both for path in _published(spec, root)]
        paths = [*(path for folder in folders for path in _files(folder)), *results]
        return tuple((str(path), _hash(path)) for path in paths)
    except OSError:
        return None


def judged_on(
    comparison: Comparison, port: Port, root: Path, before: Content | None
) -> Content | None:
    """Returns the content on which a comparison rests; None if that is uncertain.

    The hashes of logs were computed while the logs were read. `before` is the result of `recorded`
    before the comparison: if a recording changed in between, the content is uncertain.
    """
    runs = [run for side in comparison.sides for run in side]
    pairs = _content(port, root, {run.source: run.sha256 for run in runs if run.sha256})
    if pairs is None or before is None or not set(before) <= set(pairs):
        return None
    now = dict(pairs)
    in_recordings = {str(Path(path).parent.name) for path, _ in before}
    for run in runs:
        place = next((path for path in now if run.source.startswith(path)), None)
        if place is None:
            if run.source.partition("/")[0] in in_recordings:
                continue  # `before` covers it
            return None
        label = run.source.removeprefix(place)  # of a run in a table; see `read_runs`
        if label and hashlib.sha256(f"{now[place]}{label}".encode()).hexdigest() != run.sha256:
            return None
    return _absolute(pairs)


def _paths(spec: str, root: Path) -> Iterator[str]:
    for part in _parts(spec, root):
        folder = _recording(part, root)
        if folder is not None:
            yield from map(str, _files(folder))
            continue
        if results := _published(part, root):
            yield from map(str, results)
            continue
        if is_url(part):
            msg = "a URL may return other bytes next time"
            raise ValueError(msg)
        yield from expand(part, root=root)


def _parts(spec: str, root: Path) -> list[str]:
    if _recording(spec, root) is not None:
        return [spec]
    return parts_of(spec, is_file=not is_url(spec) and os.path.lexists(root / spec))


def _recording(spec: str, root: Path) -> Path | None:
    if is_url(spec):
        return None
    return next((f for f in (root / spec, root / BASELINES / spec) if is_recording(f)), None)


def _published(spec: str, root: Path) -> list[Path]:
    """Returns the files of published results if `spec` names such a result; empty otherwise."""
    named = bool(asked_for(spec)) and not os.path.lexists(root / spec)
    return files(root / BASELINES) if named else []


def _files(folder: Path) -> list[Path]:
    """Returns the files of a recording: `baseline.toml` and every file of figures in its folder."""
    return [folder / TOML, *sorted(folder.glob("series*.csv*"))]


def _hash(path: Path) -> str:
    """Returns the SHA-256 of a file, or of the event files of a folder, concatenated."""
    files = sorted(f for f in path.iterdir() if NAME in f.name) if path.is_dir() else [path]
    sha256 = hashlib.sha256()
    for file in files:
        if not stat.S_ISREG(file.stat().st_mode):
            msg = "a pipe or a device returns other bytes next time"
            raise ValueError(msg)
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                sha256.update(block)
    return sha256.hexdigest()
