"""What a verdict was given on: the hashes of the bytes of both sides, to know it again."""

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
from harness.storage.event_files import NAME
from harness.storage.inputs import BASELINES
from harness.storage.logs import expand
from harness.storage.places import is_url, parts_of
from harness.storage.recording import TOML

Content = tuple[tuple[str, str], ...]
"""Paths with the SHA-256 of what is in them."""


def content(port: Port, root: Path) -> Content | None:
    """What both sides of a port name, with the hashes of the bytes that are there now.

    None where it cannot be told without reading it anew: an address, a pipe, a file that is not
    there.
    """
    return _absolute(_content(port, root, {}))


def _absolute(found: Content | None) -> Content | None:
    """The same from wherever the check is started."""
    return found and tuple((str(Path(path).absolute()), sha) for path, sha in found)


def _content(port: Port, root: Path, known: Mapping[str, str]) -> Content | None:
    """As `content`; files whose hashes are `known` are not read again."""
    try:
        return tuple(
            (path, known.get(path) or _hash(Path(path)))
            for spec in (port.baseline, port.candidate)
            for path in _paths(spec, root)
        )
    except (HarnessError, OSError, ValueError):
        return None


def recorded(port: Port, root: Path) -> Content | None:
    """The part of `content` from recorded baselines, to be taken before they are read."""
    both = (port.baseline, port.candidate)
    try:
        folders = [folder for spec in both for part in _parts(spec, root)
                   if (folder := _recording(part, root)) is not None]  # fmt: skip
        return tuple((str(path), _hash(path)) for f in folders for path in _files(f))
    except OSError:
        return None


def judged_on(
    comparison: Comparison, port: Port, root: Path, before: Content | None
) -> Content | None:
    """The content on which a comparison was made; None where that is not sure.

    The hashes of logs are those that were taken while they were read. `before` is what `recorded`
    said before that: a recording that changed meanwhile is not sure.
    """
    runs = (*comparison.baseline, *comparison.candidate)
    found = _content(port, root, {run.source: run.sha256 for run in runs if run.sha256})
    if found is None or before is None or not set(before) <= set(found):
        return None
    now = dict(found)
    in_recordings = {str(Path(path).parent.name) for path, _ in before}
    for run in runs:
        place = next((path for path in now if run.source.startswith(path)), None)
        if place is None:
            if run.source.partition("/")[0] in in_recordings:
                continue
            return None
        label = run.source.removeprefix(place)
        if label and hashlib.sha256(f"{now[place]}{label}".encode()).hexdigest() != run.sha256:
            return None
    return _absolute(found)


def _paths(spec: str, root: Path) -> Iterator[str]:
    for part in _parts(spec, root):
        folder = _recording(part, root)
        if folder is not None:
            yield from map(str, _files(folder))
            continue
        if is_url(part):
            msg = "an address may give something else next time"
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


def _files(folder: Path) -> list[Path]:
    """The files of a recording: what says which figures it has, and all figures there."""
    return [folder / TOML, *sorted(folder.glob("series*.csv*"))]


def _hash(path: Path) -> str:
    """The SHA-256 of a file, or of the event files of a folder one after the other."""
    files = sorted(f for f in path.iterdir() if NAME in f.name) if path.is_dir() else [path]
    found = hashlib.sha256()
    for file in files:
        if not stat.S_ISREG(file.stat().st_mode):
            msg = "a pipe or a device gives something else next time"
            raise ValueError(msg)
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                found.update(block)
    return found.hexdigest()
