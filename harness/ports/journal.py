"""Keeps the results of an unfinished check, so that `--resume` can continue it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.comparison.result import ERROR, PortResult
from harness.errors import HarnessError
from harness.ports.check import Task
from harness.ports.evidence import Content, content
from harness.ports.files import data_hash
from harness.version import PACKAGE, tool_version


def cache_folder() -> Path:
    """Returns this user's cache folder for the harness: in $XDG_CACHE_HOME, or the system's place.

    The folder is outside every checkout, so that a checkout cannot supply results.

    Raises:
        RuntimeError: the user has no home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if Path(given).is_absolute():
        return Path(given) / PACKAGE
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / PACKAGE
    where = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / where / PACKAGE


def journal_path(manifest: Path, part: str = "") -> Path:
    """Returns the file for the unfinished check of a manifest, or of a part of it.

    Machines that share a home folder judge different parts at the same time, so each part has a
    file.
    """
    name = hashlib.sha256(os.fsencode(manifest.resolve())).hexdigest()[:32]
    return cache_folder() / f"check-{'-'.join(filter(None, (name, part)))}.jsonl"


class Journal:
    """A file in the user's cache with one line per result, written as results arrive.

    A later check reuses a result only if the port's entry, the tool's version, the bytes of every
    log and the report are unchanged. Errors, and ports with URLs, are judged again. If the folder
    is not writable, nothing is kept, and `unwritable` holds the reason.
    """

    def __init__(self, manifest: Path, *, resume: bool, part: str = "") -> None:
        self.unwritable = ""
        self._done: dict[str, dict[str, Any]] = {}
        try:
            self._path = journal_path(manifest, part)
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if resume:
                self._done = dict(self._read())
            flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            flags |= os.O_APPEND if resume else os.O_TRUNC
            self._file = os.fdopen(os.open(self._path, flags, 0o600), "a", encoding="utf-8")
        except RuntimeError as error:
            self.unwritable = f"no cache folder: {error}"
        except OSError as error:
            self.unwritable = f"{error.filename or self._path}: {error.strerror or error}"

    def done(self, task: Task) -> PortResult | None:
        """Returns the kept result of a port; None if the port must be judged again."""
        entry = self._done.get(_key(task))
        if entry is None or (task.report is not None and entry["report"] != _report(task)):
            return None
        now = content(task.port, task.manifest.parent)
        if now is None or entry["content"] != [list(pair) for pair in now]:
            return None
        try:
            known = PortResult.from_json(entry["result"])
        except HarnessError:
            return None
        return replace(known, line=task.line) if known.port == task.port.name else None

    def add(self, task: Task, result: PortResult, seen: Content | None) -> None:
        """Keeps a result with the content that was judged; keeps nothing if that is None."""
        if self.unwritable or result.verdict == ERROR or seen is None:
            return
        entry = {
            "key": _key(task),
            "content": seen,
            "report": _report(task),
            "result": result.to_json(),
        }
        try:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        except OSError as error:  # a full disk: the check continues, but --resume cannot use this
            self.unwritable = f"{self._path}: {error.strerror or error}"

    def finish(self) -> None:
        """Removes the file after a complete check."""
        if not self.unwritable:
            self._path.unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
                yield str(entry["key"]), {k: entry[k] for k in ("content", "report", "result")}
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # the last line, cut off when a check was killed

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.unwritable:
            self._file.close()


def _key(task: Task) -> str:
    """Returns a hash of the inputs of a result other than the logs: entry and tool version."""
    return hashlib.sha256(f"{task.port.model_dump_json()}\n{tool_version()}".encode()).hexdigest()


def _report(task: Task) -> str:
    """Returns the hash of a port's report; empty if no report was asked for."""
    return "" if task.report is None else data_hash(task.report) or "none"
