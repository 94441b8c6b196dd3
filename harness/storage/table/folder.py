"""The folder of a table, on this machine or in an object store: whole files only.

A file is written whole or not at all: by a rename on a disk, by one upload in a store.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from harness.errors import HarnessError, ParseError
from harness.storage.places import place_of
from harness.storage.stores import on_store
from harness.system.locks import FileLock, take_folder
from harness.system.whole import guarded, replace_with, stays_inside


class Folder(Protocol):
    """Files by their names, which are relative paths with slashes. `name` is a path or a URL."""

    name: str

    def claim(self) -> None:
        """Keeps other writers out until `leave` is called or this process ends, where it can.

        Raises:
            ParseError: the folder cannot be made, or another process writes a table there.
        """

    def leave(self) -> None:
        """Lets other writers in, and removes the folder if it is empty."""

    def read(self, file: str) -> bytes | None:
        """Returns the content of a file; None if there is no such file."""

    def write(self, file: str, data: bytes) -> None:
        """Writes a file, or replaces it."""

    def remove(self, file: str) -> None:
        """Removes a file, if it exists."""

    def files(self, inner: str) -> list[str]:
        """Returns the names of the files in an inner folder and below it."""

    def names(self) -> list[str]:
        """Returns the names of what lies directly in the folder; none if there is no folder."""


def folder_of(spec: str) -> Folder:
    """Returns the folder that a path or a URL of a store names.

    Raises:
        ParseError: it is standard input, or a URL of a server.
    """
    place = place_of(spec.rstrip("/") or spec)
    if place.kind == "file":
        return _Local(place.name)
    if place.kind == "store":
        return _InStore(place.name)
    msg = "cannot hold a table; expected a folder, or a URL of s3, gs or az"
    raise ParseError(msg, source=spec)


class _Local:
    def __init__(self, name: str) -> None:
        self.name = name
        self._path = Path(name)
        self._lock: FileLock | None = None

    def claim(self) -> None:
        def make(path: Path) -> None:
            stays_inside(path)
            path.mkdir(parents=True, exist_ok=True)
            self._lock = take_folder(path)

        if self._path.exists() and not self._path.is_dir():
            msg = "is a file; expected the folder of a table, or a new folder"
            raise ParseError(msg, source=self.name)
        guarded(self._path, make)
        if self._lock is None:
            msg = "another collect is writing this table; wait until it has ended"
            raise ParseError(msg, source=self.name)

    def leave(self) -> None:
        if self._lock is not None:
            with suppress(OSError):  # it holds a table
                self._path.rmdir()
            self._lock.release()
            self._lock = None

    def read(self, file: str) -> bytes | None:
        try:
            return (self._path / file).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            msg = f"cannot be read: {error.strerror or error}; check its permissions"
            raise ParseError(msg, source=str(self._path / file)) from error

    def write(self, file: str, data: bytes) -> None:
        def put(path: Path) -> None:
            stays_inside(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_with(path, data)

        guarded(self._path / file, put)

    def remove(self, file: str) -> None:
        def unlink(path: Path) -> None:
            path.unlink(missing_ok=True)
            if path.parent != self._path and not any(path.parent.iterdir()):
                path.parent.rmdir()

        if (self._path / file).parent.is_dir():
            guarded(self._path / file, unlink)

    def files(self, inner: str) -> list[str]:
        found = (self._path / inner).rglob("*")
        return sorted(p.relative_to(self._path).as_posix() for p in found if p.is_file())

    def names(self) -> list[str]:
        try:
            return sorted(path.name for path in self._path.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"cannot be read: {error.strerror or error}; check its permissions"
            raise ParseError(msg, source=self.name) from error


class _InStore:
    def __init__(self, url: str) -> None:
        self.name = url

    def claim(self) -> None:
        """Does nothing, because a store has no locks; `publish` notices another collect."""

    def leave(self) -> None:
        """Does nothing."""

    def _url(self, file: str) -> str:
        return f"{self.name}/{file}"

    def read(self, file: str) -> bytes | None:
        def read(files: Any, path: str) -> bytes | None:
            try:
                return bytes(files.cat_file(path))
            except FileNotFoundError:
                return None

        return on_store(self._url(file), read)

    def write(self, file: str, data: bytes) -> None:
        try:
            on_store(self._url(file), lambda files, path: files.pipe_file(path, data))
        except ParseError as error:
            msg = f"cannot be written: {error.message}"
            raise HarnessError(msg, source=self._url(file)) from error

    def remove(self, file: str) -> None:
        def remove(files: Any, path: str) -> None:
            try:
                files.rm_file(path)
            except FileNotFoundError:
                return

        on_store(self._url(file), remove)

    def files(self, inner: str) -> list[str]:
        def listed(files: Any, path: str) -> list[str]:
            start = path.rstrip("/") + "/"
            return [f"{inner}/{str(name)[len(start) :]}" for name in sorted(files.find(path))]

        return on_store(self._url(inner), listed)

    def names(self) -> list[str]:
        def listed(files: Any, path: str) -> list[str]:
            start = path.rstrip("/") + "/"
            try:
                found = [str(name).rstrip("/") for name in files.ls(path, detail=False)]
            except FileNotFoundError:
                return []
            return sorted(name[len(start) :] for name in found if name.startswith(start))

        return on_store(self.name, listed)
