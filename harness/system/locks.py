"""Locks on files, which the system releases when their holder ends, however it ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from weakref import WeakSet

from harness.errors import HarnessError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BUSY = {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class FileLock:
    """A lock on a file that this process holds; `descriptor` is that of the open file.

    A command that is given the descriptor keeps the lock until it ends too, unless `release` was
    called before. A forked process does not: the workers of an executor outlive a driver that is
    killed, and its lock must not outlive it with them.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        _OPEN.add(self)

    def release(self) -> None:
        """Gives the lock back, also for children that inherited it."""
        if self.descriptor < 0:
            return
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        self.leave()

    def leave(self) -> None:
        """Closes the file in this process; other processes that have it open keep the lock."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


_OPEN: WeakSet[FileLock] = WeakSet()
"""The locks of this process."""


def _leave_all() -> None:
    for lock in list(_OPEN):
        lock.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def take(path: Path) -> FileLock | None:
    """Returns a lock on a file, which is made if absent; None if another holder has it.

    Raises:
        HarnessError: the file cannot be opened, or its file system has no locks.
    """
    return _locked(path, _FLAGS, exclusive=True)


def take_folder(path: Path) -> FileLock | None:
    """Returns a lock on a folder, without a file in it; None if another holder has it.

    Where the system or the file system has no locks on folders, the lock holds nothing.

    Raises:
        OSError: the folder cannot be opened.
    """
    if fcntl is None:
        return FileLock(-1)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        return None if error.errno in _BUSY - {errno.EACCES} else FileLock(-1)
    return FileLock(descriptor)


def is_held(path: Path) -> bool:
    """Returns whether a file is locked at present; False if there is no such file.

    Raises:
        HarnessError: the file cannot be opened, or its file system has no locks.
    """
    if not path.exists():
        return False
    lock = _locked(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0), exclusive=False)
    if lock is None:
        return True
    lock.release()
    return False


def _locked(path: Path, flags: int, *, exclusive: bool) -> FileLock | None:
    if fcntl is None:
        msg = "cannot be locked on this system; run sweeps on Linux or macOS"
        raise HarnessError(msg, source=str(path))
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        msg = f"cannot be opened: {error.strerror}; check the folder and its permissions"
        raise HarnessError(msg, source=str(path)) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _BUSY:
            return None
        msg = f"cannot be locked: {error.strerror}; use a folder on a file system with locks"
        raise HarnessError(msg, source=str(path)) from error
    return FileLock(descriptor)
