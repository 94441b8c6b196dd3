"""Lists the logs that a path, a glob or a folder of seeds names."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from harness.errors import HarnessError, ParseError
from harness.storage.places import PACKED_SUFFIXES, STDIN, place_of
from harness.trackers.event_files import event_files
from harness.trackers.registry import from_folder

LOG_SUFFIXES = (".log", ".txt", ".out", ".json", ".jsonl", ".csv", ".tsv")
MAX_LOGS = 1000
"""Largest number of logs that one name may give."""
MAX_MATCHES = 100_000
"""Largest number of files that a pattern may match."""


def expand(spec: str, *, root: Path | None = None) -> list[str]:
    """Returns the logs that a path, a URL, a glob or a folder of seeds names, sorted by name.

    A folder gives the logs directly in it, with those of the same name in its sub-folders
    `perturbed_1`, `perturbed_2`, ...; if it has none, the log in each of its sub-folders. In a
    pattern, `**` follows no symbolic links. A URL and `-` are returned unchanged; a path in the
    name of a tracker's run starts from `root`.

    Raises:
        ParseError: there is no such log, no permission, an unsupported protocol, more than 1000
            logs, or a sub-folder with more than one log.
    """
    base = Path() if root is None else root
    place = place_of(spec, folder=base)
    if place.kind == "tracker":
        return [from_folder(spec, base)]
    if place.kind != "file":
        return [spec]
    try:
        logs = _expanded(base, place.name, spec)
    except (OSError, RecursionError) as error:
        raise unreadable(spec, error) from error
    if len(logs) > MAX_LOGS:
        msg = f"{len(logs)} logs; expected at most {MAX_LOGS}. Use a pattern that matches fewer."
        raise ParseError(msg, source=spec)
    return [f"./{name}" if name == STDIN else name for name in logs]


def _expanded(base: Path, name: str, spec: str) -> list[str]:
    path = base / name
    if path.is_dir():
        return _folder(path)
    if glob.has_magic(name) and not path.exists():
        files = _matches(base, name)
        if not files:
            msg = "no file matches this pattern; quote it, and check it with ls"
            raise ParseError(msg, source=spec)
        return files
    return [str(path)]


def _matches(base: Path, name: str) -> list[str]:
    """Returns the files that a pattern matches."""
    parts = Path(name).parts
    while len(parts) > 1 and (base / parts[0]).exists():  # a folder may have brackets in its name
        base, parts = base / parts[0], parts[1:]
    pattern = "/".join([*parts, "*"] if parts[-1] == "**" else parts)
    names: Iterable[str]
    if "**" in parts:  # `glob.iglob` would follow a link to a folder above it for ever
        names = (
            str(path.relative_to(base))
            for path in base.glob(pattern)
            if not any(part.startswith(".") for part in path.relative_to(base).parts)
        )
    else:
        names = glob.iglob(pattern, root_dir=base)  # noqa: PTH207  (links are followed)
    matches = list(islice(names, MAX_MATCHES + 1))
    if len(matches) > MAX_MATCHES:
        msg = f"more than {MAX_MATCHES} files match; use a pattern that matches fewer"
        raise ParseError(msg, source=name)
    return sorted({str(base / match) for match in matches if (base / match).is_file()})


def _folder(path: Path) -> list[str]:
    direct = _logs(path)
    if not direct and event_files(str(path)):
        return [str(path)]  # the event files of one run
    if direct:
        return [str(log) for log in (*direct, *_perturbed(path, direct))]
    nested = []
    for inner in sorted(p for p in path.iterdir() if p.is_dir()):
        logs = [inner] if event_files(str(inner)) else _logs(inner)
        if len(logs) > 1:
            names = ", ".join(log.name for log in logs[:5]) + (", ..." if len(logs) > 5 else "")
            msg = f"{len(logs)} logs ({names}); expected one log per run. Use a glob instead."
            raise ParseError(msg, source=str(inner))
        nested += [str(log) for log in logs]
    if not nested:
        msg = f"a folder without logs; expected files ending in {', '.join(LOG_SUFFIXES)}"
        raise ParseError(msg, source=str(path))
    return nested


def _perturbed(path: Path, direct: list[Path]) -> list[Path]:
    """Returns the logs of the perturbed runs that lie beside the log of a run, in their order."""
    folders = [p for p in path.glob("perturbed_*") if p.name.rpartition("_")[2].isdecimal()]
    folders.sort(key=lambda p: int(p.name.rpartition("_")[2]))
    logs = [folder / log.name for folder in folders for log in direct]
    return [log for log in logs if log.is_file()]


def _logs(folder: Path) -> list[Path]:
    def is_log(path: Path) -> bool:
        name = path.name
        for suffix in PACKED_SUFFIXES:
            name = name.removesuffix(suffix)
        return name.endswith(LOG_SUFFIXES) and not name.startswith(".") and path.is_file()

    return sorted(path for path in folder.iterdir() if is_log(path))


def unreadable(source: str, error: Exception) -> HarnessError:
    """Returns the error of a log that cannot be opened or read, with its cause and the remedy."""
    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "no such file; check the path (names: `harness baseline list`)",
        IsADirectoryError: "a folder; name the log file in it",
        PermissionError: "no permission to read it; change its mode or run as its owner",
        EOFError: "the compressed file ends too early; copy it again",
    }
    if "::" in source:
        reasons[FileNotFoundError] = "no such file; chained protocols (`::`) are not supported"
    reason = next((text for kind, text in reasons.items() if isinstance(error, kind)), "")
    if not reason and isinstance(error, OSError) and error.strerror:
        reason = f"cannot be read: {error.strerror}; check the path"
    return ParseError(reason or f"cannot be read: {error or type(error).__name__}", source=source)
