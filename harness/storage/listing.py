"""Which logs a path, a glob or a folder of seeds names."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from harness.errors import HarnessError, ParseError
from harness.storage.event_files import NAME, is_event_file
from harness.storage.places import PACKED_SUFFIXES, STDIN, place_of

LOG_SUFFIXES = (".log", ".txt", ".out", ".json", ".jsonl", ".csv", ".tsv")
MAX_LOGS = 1000
"""Logs that one name may stand for."""
HEAD_BYTES = 64
"""Bytes in which an event file shows."""
MAX_MATCHES = 100_000
"""Files of a pattern that are looked at."""


def expand(spec: str, *, root: Path | None = None) -> list[str]:
    """The logs that a path, a URL, a glob or a folder of seeds names, in order of name.

    A folder gives the logs directly in it; if it has none, the one log in each of its sub-folders.
    In a pattern `**` follows no symbolic links. URLs and `-` stand for themselves.

    Raises:
        ParseError: nothing there, no permission, a protocol that is not read, more than 1000 logs,
            or a sub-folder with several.
    """
    place = place_of(spec)
    if place.kind != "file":
        return [spec]
    base = Path() if root is None else root
    try:
        found = _expanded(base, place.name, spec)
    except (OSError, RecursionError) as error:
        raise unreadable(spec, error) from error
    if len(found) > MAX_LOGS:
        msg = f"{len(found)} logs; expected {MAX_LOGS} at most. Give a pattern that matches fewer."
        raise ParseError(msg, source=spec)
    return [f"./{name}" if name == STDIN else name for name in found]


def _expanded(base: Path, name: str, spec: str) -> list[str]:
    path = base / name
    if path.is_dir():
        return _folder(path)
    if glob.has_magic(name) and not path.exists():
        found = _matches(base, name)
        if not found:
            msg = "no file matches this pattern; quote it, and check it with ls"
            raise ParseError(msg, source=spec)
        return found
    return [str(path)]


def _matches(base: Path, name: str) -> list[str]:
    """The files that a pattern matches. What is there under its very name is no pattern."""
    parts = Path(name).parts
    while len(parts) > 1 and (base / parts[0]).exists():
        base, parts = base / parts[0], parts[1:]
    pattern = "/".join([*parts, "*"] if parts[-1] == "**" else parts)
    names: Iterable[str]
    if "**" in parts:  # a folder may hold links to itself, which `glob` would follow for ever
        names = (
            str(path.relative_to(base))
            for path in base.glob(pattern)
            if not any(part.startswith(".") for part in path.relative_to(base).parts)
        )
    else:
        names = glob.iglob(pattern, root_dir=base)  # noqa: PTH207  (links are followed)
    found = list(islice(names, MAX_MATCHES + 1))
    if len(found) > MAX_MATCHES:
        msg = f"more than {MAX_MATCHES} files match; give a pattern that matches fewer"
        raise ParseError(msg, source=name)
    return sorted({str(base / name) for name in found if (base / name).is_file()})


def _folder(path: Path) -> list[str]:
    direct = _logs(path)
    if not direct and event_files(str(path)):
        return [str(path)]  # the event files of one run
    if direct:
        return [str(log) for log in direct]
    found = []
    for inner in sorted(p for p in path.iterdir() if p.is_dir()):
        logs = [inner] if event_files(str(inner)) else _logs(inner)
        if len(logs) > 1:
            names = ", ".join(log.name for log in logs[:5]) + (", ..." if len(logs) > 5 else "")
            msg = f"{len(logs)} logs ({names}); expected one a run. Give a glob instead."
            raise ParseError(msg, source=str(inner))
        found += [str(log) for log in logs]
    if not found:
        msg = f"a folder without logs; expected files ending in {', '.join(LOG_SUFFIXES)}"
        raise ParseError(msg, source=str(path))
    return found


def _logs(folder: Path) -> list[Path]:
    def is_log(path: Path) -> bool:
        name = path.name
        for suffix in PACKED_SUFFIXES:
            name = name.removesuffix(suffix)
        return name.endswith(LOG_SUFFIXES) and not name.startswith(".") and path.is_file()

    return sorted(path for path in folder.iterdir() if is_log(path))


def event_files(name: str) -> list[Path]:
    """The event files of TensorBoard that a path names, if it is one or a folder of them."""
    path = Path(name)
    try:
        if path.is_dir():
            inner = (file for file in path.iterdir() if NAME in file.name)
            return sorted(file for file in inner if file.is_file())
        if not path.is_file() or path.stat().st_size < HEAD_BYTES:
            return []  # of a pipe, what is looked at is gone; a file without size may never answer
        with path.open("rb") as file:
            return [path] if is_event_file(file.read(HEAD_BYTES)) else []
    except OSError:
        return []  # opening it as a log will say why


def unreadable(source: str, error: Exception) -> HarnessError:
    """What keeps a log from being opened or read, and what to do."""
    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "no such file; check the path (names: `harness baseline list`)",
        IsADirectoryError: "a folder; give the log file in it",
        PermissionError: "no permission to read it; change its mode or run as its owner",
        EOFError: "the compressed file ends too early; copy it again",
    }
    if "::" in source:
        reasons[FileNotFoundError] = "no such file; chains of protocols by `::` are not read here"
    reason = next((text for kind, text in reasons.items() if isinstance(error, kind)), "")
    if not reason and isinstance(error, OSError) and error.strerror:
        reason = f"cannot be read: {error.strerror}; check the path"
    return ParseError(reason or f"cannot be read: {error or type(error).__name__}", source=source)
