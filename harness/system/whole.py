"""Writes a file whole or not at all: beside it, onto the disk, then renamed into its place.

A full disk, a kill or a lost machine leaves the old file or the new one, never a part. A rename
puts the new file in the place of a symbolic link and never writes through it, so a checkout of
somebody else's cannot name a file elsewhere. Devices and named pipes are written to directly.
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
"""Folders of the system, in which a link such as /dev/stdout is not a stranger's."""
UNFINISHED = ".unfinished-"
"""How the folder begins in which files are made before they are put into place."""
PIPE_S = 30
"""Seconds for which a pipe is waited for that nobody reads."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def write_text(path: Path, text: str) -> None:
    """Writes text into a file as UTF-8; what UTF-8 cannot hold is escaped. Makes its folders.

    Raises:
        HarnessError: it cannot be written there; the old file is as it was.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes into a file, and makes the folders that it needs.

    Raises:
        HarnessError: it cannot be written there; the old file is as it was.
    """
    _write(path, data, "wb", replace_with)


def append_text(path: Path, text: str) -> None:
    """Adds text to the end of a file, made if absent; a symbolic link is not followed.

    Raises:
        HarnessError: it cannot be written there.
    """

    def append(where: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK | _BINARY
        with os.fdopen(os.open(where, flags, 0o666), "ab") as file:
            file.write(data)

    _write(path, text.encode("utf-8", "backslashreplace"), "ab", append)


def _write(path: Path, data: bytes, mode: str, put: Callable[[Path, bytes], None]) -> None:
    """Writes into a device or pipe directly, and into a file by `put`, in a folder that is made."""

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
    """A device or pipe, open for writing.

    Raises:
        HarnessError: nobody reads from the pipe for 30 s.
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
                msg = f"a pipe from which nobody has read for {PIPE_S} s; start its reader first"
                raise HarnessError(msg, source=str(path)) from error
            time.sleep(0.1)
            continue
        os.set_blocking(handle, True)
        return os.fdopen(handle, "wb")


def stays_inside(folder: Path) -> None:
    """Refuses a relative folder if a symbolic link on the way leads out of the current one.

    Such a link may be part of a checkout, whose author chose where it leads. An absolute path, and
    one by `..`, is the user's own.

    Raises:
        HarnessError: one does; the message names it.
    """
    if folder.is_absolute() or ".." in folder.parts:
        return
    here, where = Path.cwd().resolve(), Path()
    for part in folder.parts:
        where /= part
        if where.is_symlink() and not where.resolve().is_relative_to(here):
            msg = (
                "a symbolic link that leads out of the current folder, and nothing is written "
                "through one; name the folder that it leads to"
            )
            raise HarnessError(msg, source=str(where))


def is_direct(path: Path) -> bool:
    """Whether a path is a device, a pipe or a file of the system, which nothing may replace."""
    if str(path).startswith(tuple(f"{folder}/" for folder in SYSTEM)):
        return True
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def replace_with(path: Path, data: bytes) -> None:
    """Puts a file with these bytes in the place of what is there; an OSError leaves that as it was.

    The folder must be there. A file keeps its mode.
    """
    beside = write_beside(path, data)
    try:
        move(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_beside(path: Path, data: bytes) -> Path:
    """A new hidden file beside `path` with these bytes, on the disk; none after an OSError."""
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
    """Renames a file or folder, for good: the folder's entry is on the disk, too."""
    source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Brings the entries of a folder onto the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, or a folder that may be written to and not read
        return
    try:
        os.fsync(handle)
    except OSError:  # a file system that cannot: the entry is as safe as it can be
        pass
    finally:
        os.close(handle)


def guarded(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write`, with a one-line error if the file system refuses.

    Raises:
        HarnessError: it cannot be written there.
    """
    try:
        write(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name
        reason = getattr(error, "strerror", None) or error
        msg = f"cannot be written: {reason}. Choose another place."
        raise HarnessError(msg, source=str(path)) from error


def fill_folder(folder: Path, make: Callable[[Path], object], *, last: str = "") -> None:
    """Lets `make` write files into an empty folder, then moves them into `folder`, `last` last.

    What `make` could not finish leaves the files that were there. An OSError is the caller's.
    """
    stays_inside(folder)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as made:
        make(Path(made))
        for file in sorted(Path(made).iterdir(), key=lambda file: file.name == last):
            move(file, folder / file.name)


def real_folder(folder: Path) -> Path:
    """The folder, made if absent; it is refused as a symbolic link.

    Raises:
        HarnessError: it is a symbolic link.
        OSError: it cannot be made.
    """
    if folder.is_symlink():
        msg = "is a symbolic link, and nothing is written through one; remove it"
        raise HarnessError(msg, source=str(folder))
    stays_inside(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
