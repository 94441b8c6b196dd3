"""Lists the logs that a URL of an object store names: an object, a folder, or a pattern.

The rules are those of local folders (`listing.py`). A folder costs one request for 1000 objects.
"""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import ParseError
from harness.log.wording import counted
from harness.storage.places import LOG_SUFFIXES, is_log_name
from harness.storage.stores import on_store
from harness.trackers.event_files import NAME

MAX_OBJECTS = 1_000_000
"""Most objects below a folder or a pattern that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A log that a name gives. `stamp` changes with its content; empty if that is unknown.

    `size_bytes` is 0 if it is unknown.
    """

    name: str
    stamp: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An object or a folder below a folder. `path` is relative to that folder."""

    path: str
    is_folder: bool
    stamp: str
    size_bytes: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


def found_in_store(url: str, *, most: int) -> list[Found]:
    """Returns the logs that a URL names, in the order of a local folder or pattern.

    Raises:
        ParseError: the store cannot be read, there is no such log, more than `most` logs, or a
            sub-folder with more than one log.
    """
    scheme, _, rest = url.partition("://")
    if glob.has_magic(rest) and not _is_object(url):
        base, entries = _matching(scheme, rest)
    elif url.endswith("/") or not (is_log_name(rest.rpartition("/")[2]) or _is_object(url)):
        base = url.rstrip("/")
        entries = _folder(base)
    else:
        return [Found(name=url)]
    if len(entries) > most:
        msg = f"{len(entries)} logs; expected at most {most}. Use a pattern that matches fewer."
        raise ParseError(msg, source=url)
    return [
        Found(name=f"{base}/{entry.path}", stamp=entry.stamp, size_bytes=entry.size_bytes)
        for entry in entries
    ]


def stamped(url: str) -> Found:
    """Returns an object with what changes with its content.

    Raises:
        ParseError: the store cannot be read, or has no such object.
    """

    def found(files: Any, path: str) -> Found:
        info = files.info(path)
        return Found(name=url, stamp=_stamp(info), size_bytes=info.get("size") or 0)

    return on_store(url, found)


def _is_object(url: str) -> bool:
    return on_store(url, lambda files, path: bool(files.isfile(path)))


def _stamp(info: dict[str, Any]) -> str:
    """Returns the size with the store's hash or version, or with the time of the last change."""
    names = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "created")
    mark = next((info[name] for name in names if info.get(name)), None)
    return "" if mark is None else f"{info.get('size')}:{mark}"


def _entries(url: str, *, deep: bool) -> list[_Entry]:
    """Returns what lies in a folder: directly, or, if `deep`, all objects below it."""
    if not url.partition("://")[2].strip("/"):
        msg = "a URL without a bucket; expected a URL such as s3://bucket/folder/"
        raise ParseError(msg, source=url)

    def listed(files: Any, path: str) -> list[_Entry]:
        start = path.rstrip("/") + "/"
        if deep:
            infos: Iterable[dict[str, Any]] = files.find(path, detail=True).values()
        else:
            infos = files.ls(path, detail=True)
        return [
            _Entry(
                path=str(info["name"])[len(start) :].rstrip("/"),
                is_folder=info["type"] == "directory",
                stamp=_stamp(info),
                size_bytes=info.get("size") or 0,
            )
            for info in infos
            if str(info["name"]).startswith(start) and len(str(info["name"])) > len(start)
        ]

    entries = on_store(url, listed)
    if len(entries) > MAX_OBJECTS:
        msg = f"more than {MAX_OBJECTS} objects below it; name a folder that has fewer"
        raise ParseError(msg, source=url)
    return entries


def _folder(url: str) -> list[_Entry]:
    """Returns the logs of a folder: those directly in it, or the log of each of its sub-folders."""
    inner = _entries(url, deep=False)
    direct = _logs(inner)
    if direct:
        return [*direct, *_perturbed(url, inner, {log.name for log in direct})]
    below = _entries(url, deep=True)
    folders: dict[str, list[_Entry]] = {}
    for entry in _logs(below):
        if entry.path.count("/") == 1:
            folders.setdefault(entry.folder, []).append(entry)
    for name, logs in sorted(folders.items()):
        if len(logs) > 1:
            names = ", ".join(log.name for log in logs[:5]) + (", ..." if len(logs) > 5 else "")
            msg = f"{len(logs)} logs ({names}); expected one log per run. Use a pattern instead."
            raise ParseError(msg, source=f"{url}/{name}")
    if not folders:
        raise _without_logs(url, below)
    return [log for _, (log,) in sorted(folders.items())]


def _logs(entries: Sequence[_Entry]) -> list[_Entry]:
    logs = [entry for entry in entries if not entry.is_folder and is_log_name(entry.name)]
    return sorted(logs, key=lambda entry: entry.path.split("/"))


def _perturbed(url: str, inner: Sequence[_Entry], names: set[str]) -> list[_Entry]:
    """Returns the logs of the perturbed runs beside the log of a run, in their order."""
    numbers = {
        entry.path: int(number)
        for entry in inner
        if entry.is_folder and (number := entry.path.removeprefix("perturbed_")).isdecimal()
        and entry.path.startswith("perturbed_")
    }  # fmt: skip
    logs = []
    for folder in sorted(numbers, key=lambda path: numbers[path]):
        below = [e for e in _logs(_entries(f"{url}/{folder}", deep=False)) if e.name in names]
        logs += [replace(entry, path=f"{folder}/{entry.path}") for entry in below]
    return logs


def _without_logs(url: str, below: Sequence[_Entry]) -> ParseError:
    if not below:
        msg = "no such object, and no object below it; check the bucket and the key"
    elif any(NAME in entry.name for entry in below):
        msg = (
            "TensorBoard's event files in a store are not read; copy the folder, and pass its path"
        )
    else:
        msg = (
            f"a folder without logs ({counted(len(below), 'other object')}); expected objects "
            f"ending in {', '.join(LOG_SUFFIXES)}"
        )
    return ParseError(msg, source=url)


def _matching(scheme: str, rest: str) -> tuple[str, list[_Entry]]:
    """Returns the folder above a pattern's first wildcard, and the objects that match."""
    parts = rest.split("/")
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base, pattern = "/".join(parts[:fixed]), parts[fixed:]
    url = f"{scheme}://{base}"
    if pattern[-1] in {"", "**"}:
        pattern[-1:] = ["*"] if pattern[-1] == "" else ["**", "*"]
    entries = [
        entry
        for entry in _entries(url, deep=len(pattern) > 1)
        if not entry.is_folder and matches(entry.path.split("/"), pattern)
    ]
    if not entries:
        msg = "no object matches this pattern; quote it, and check the bucket and the folder"
        raise ParseError(msg, source=f"{scheme}://{rest}")
    return url, sorted(entries, key=lambda entry: entry.path)


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Returns whether the parts of a path match those of a pattern; `**` is any number of folders.

    A wildcard matches no leading dot, as in a shell.

    >>> matches(["a", "b", "c.log"], ["**", "*.log"]), matches([".c.log"], ["*.log"])
    (True, False)
    """
    if not pattern:
        return not path
    first, *rest = pattern
    if first == "**":
        return matches(path, rest) or (
            bool(path) and not path[0].startswith(".") and matches(path[1:], pattern)
        )
    if not path or (path[0].startswith(".") and not first.startswith(".")):
        return False
    return fnmatch.fnmatchcase(path[0], first) and matches(path[1:], rest)
