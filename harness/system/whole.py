"""Writes files atomically: a new file beside the old one, synced to disk, then renamed.

A full disk, a kill or a crash leaves the old file or the new one, never a part. The rename
replaces a symbolic link instead of writing through it, so that an untrusted checkout cannot
redirect a write. Devices and named pipes are written to directly.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import IO

from harness.errors import HarnessError

SYSTEM = ("/dev", "/proc")
"""Folders of the system, in which links such as /dev/stdout are trusted."""
UNFINISHED = ".unfinished-"
"""Prefix of the folder in which files are made before they are moved into place."""
PIPE_S = 30
"""Seconds to wait for the reader of a pipe."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def write_text(path: Path, text: str) -> None:
    """Writes text into a file as UTF-8, and makes its folders. Lone surrogates are escaped.

    Raises:
        HarnessError: the file cannot be written; the old file is unchanged.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes into a file, and makes its folders.

    Raises:
        HarnessError: the file cannot be written; the old file is unchanged.
    """
    _write(path, data, "wb", replace_with)


def append_text(path: Path, text: str) -> None:
    """Appends text to a file, which is made if absent. A symbolic link is not followed.

    Raises:
        HarnessError: the file cannot be written.
    """

    def append(where: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK | _BINARY
        with os.fdopen(os.open(where, flags, 0o666), "ab") as file:
            file.write(data)

    _write(path, text.encode("utf-8", "backslashreplace"), "ab", append)


def _write(path: Path, data: bytes, mode: str, put: Callable[[Path, bytes], None]) -> None:
    """Writes into a device or pipe directly, and into a file by `put`, after making its folder."""

    def write(where: Path) -> None:
        if is_direct(where):
            with _opened(where, mode) as file:
                file.write(data)
            return
        stays_inside(where.parent)
        where.parent.mkdir(parents=True, exist_ok=True)
        put(where, data)

    guarded(path, write)


def _opened(path: Path, mode: str) -> IO[bytes]:
    """Opens a device or pipe for writing.

    Raises:
        HarnessError: the pipe has had no reader for 30 s.
    """
    if not path.is_fifo():
        return path.open(mode)
    until = time.monotonic() + PIPE_S
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                msg = f"a pipe that has had no reader for {PIPE_S} s; start its reader first"
                raise HarnessError(msg, source=str(path)) from error
            time.sleep(0.1)
            continue
        os.set_blocking(handle, True)
        return os.fdopen(handle, "wb")


def stays_inside(folder: Path) -> None:
    """Refuses a relative folder if a symbolic link in it leads out of the current folder.

    Such a link may be part of an untrusted checkout. An absolute path, or a path with `..`, is
    accepted, because the user wrote it.

    Raises:
        HarnessError: a link leads out; the message names it.
    """
    if folder.is_absolute() or ".." in folder.parts:
        return
    here, where = Path.cwd().resolve(), Path()
    for part in folder.parts:
        where /= part
        if where.is_symlink() and not where.resolve().is_relative_to(here):
            msg = (
                "a symbolic link that leads out of the current folder, and nothing is written "
                "through it; name the folder that it leads to"
            )
            raise HarnessError(msg, source=str(where))


def is_direct(path: Path) -> bool:
    """Returns whether a path is a device, a pipe or a system file, which must not be replaced."""
    if str(path).startswith(tuple(f"{folder}/" for folder in SYSTEM)):
        return True
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def replace_with(path: Path, data: bytes) -> None:
    """Replaces a file, or makes it; its folder must exist. A file keeps its mode.

    Raises:
        OSError: the file cannot be written; the old file is unchanged.
    """
    beside = write_beside(path, data)
    try:
        move(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_beside(path: Path, data: bytes) -> Path:
    """Returns a new hidden file beside `path` with these bytes, synced to disk.

    Raises:
        OSError: the file cannot be written; no file is left.
    """
    beside = path.with_name(f".{path.name[:100]}.{token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        old = path.lstat().st_mode if os.path.lexists(path) else 0
        if stat.S_ISREG(old):
            beside.chmod(stat.S_IMODE(old))
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def move(source: Path, target: Path) -> None:
    """Renames a file or folder, and syncs the folder's entry to disk."""
    source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Syncs the entries of a folder to disk, if the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, or a folder that is writable but not readable
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot sync a folder
        pass
    finally:
        os.close(handle)


def guarded(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write(path)`, and turns an error of the file system into one line.

    Raises:
        HarnessError: the path cannot be written.
    """
    try:
        write(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name
        reason = getattr(error, "strerror", None) or error
        msg = f"cannot be written: {reason}. Choose another place."
        raise HarnessError(msg, source=str(path)) from error


def fill_folder(folder: Path, make: Callable[[Path], object], *, last: str = "") -> None:
    """Lets `make` write files into an empty folder, then moves them into `folder`, `last` last.

    If `make` fails, the old files stay. The caller handles an OSError.
    """
    stays_inside(folder)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as made:
        make(Path(made))
        for file in sorted(Path(made).iterdir(), key=lambda file: file.name == last):
            move(file, folder / file.name)


def real_folder(folder: Path) -> Path:
    """Returns the folder, made if absent.

    Raises:
        HarnessError: the folder is a symbolic link.
        OSError: the folder cannot be made.
    """
    if folder.is_symlink():
        msg = "is a symbolic link, and nothing is written through one; remove it"
        raise HarnessError(msg, source=str(folder))
    stays_inside(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
