"""Remembers the results of an unfinished check, so that the next one can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from harness.baselines import TOML
from harness.checking import Task
from harness.errors import HarnessError
from harness.report.json import tool_version
from harness.resolve import BASELINES
from harness.results import ERROR, PortResult
from harness.store import expand

FOLDER = ".harness_cache"


class Journal:
    """A file beside the manifest, one line a result, written as they come.

    A result counts for a later check only if the entry of the port, the tool's version and the
    size and time of every local log are as they were. Errors are tried again. Where the folder
    cannot be written to, nothing is remembered, and `unwritable` says why.
    """

    def __init__(self, manifest: Path, *, resume: bool) -> None:
        name = hashlib.sha256(manifest.name.encode()).hexdigest()[:12]
        self._path = manifest.parent / FOLDER / f"check-{name}.jsonl"
        self._done = dict(self._read()) if resume else {}
        self.unwritable = ""
        try:
            self._path.parent.mkdir(exist_ok=True)
            (self._path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            self._file = self._path.open("a" if resume else "w", encoding="utf-8")
        except OSError as error:
            self.unwritable = f"{self._path}: {error.strerror or error}"

    def done(self, task: Task) -> PortResult | None:
        """The result of a port that needs no second look; None if it needs one."""
        if task.report is not None and not (task.report / "comparison.json").is_file():
            return None
        known = self._done.get(fingerprint(task))
        return None if known is None else replace(known, line=task.line)

    def add(self, task: Task, result: PortResult) -> None:
        """Remembers a result."""
        if not self.unwritable and result.verdict != ERROR:
            line = json.dumps({"key": fingerprint(task), "result": result.to_json()})
            self._file.write(line + "\n")
            self._file.flush()

    def finish(self) -> None:
        """Forgets everything: the check is complete."""
        if not self.unwritable:
            self._path.unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[str, PortResult]]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
                yield str(entry["key"]), PortResult.from_json(entry["result"])
            except (ValueError, KeyError, TypeError, HarnessError):
                continue  # the last line of a check that was killed while it wrote

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


def fingerprint(task: Task) -> str:
    """A hash of everything that a result depends on, as far as it can be seen without reading."""
    root = task.manifest.parent
    seen = [task.port.model_dump_json(), tool_version()]
    for spec in (task.port.baseline, task.port.candidate):
        for path in _files(spec, root):
            try:
                stat = path.stat()
                seen.append(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}")
            except OSError:
                seen.append(f"{path} is not there")
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def _files(spec: str, root: Path) -> list[Path]:
    recorded = [folder / TOML for folder in (root / spec, root / BASELINES / spec)]
    found = [path for path in recorded if path.is_file()]
    if found:
        return found
    try:
        parts = [spec] if (root / spec).exists() else spec.split(",")
        return [Path(path) for part in parts for path in expand(part.strip(), root=root)]
    except HarnessError:
        return []
