"""What is left of a sweep: which runs are finished, and which must be trained, and why."""

from __future__ import annotations

import difflib
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import HarnessError, PolicyError
from harness.sweep.plan import Planned
from harness.sweep.state import Record, Store, write_record
from harness.system.locks import is_held

Check = Callable[[Planned], str]
"""Returns why the log of a run is not complete; empty if it is."""
WAIT_S = 15.0
"""Seconds beyond the grace that runs of an earlier driver have to end."""


@dataclass(slots=True, kw_only=True)
class Left:
    """The state of a sweep before it goes on.

    `finished` holds the seconds of the finished runs by name. `begun` are unfinished runs that were
    begun, `edited` runs that were trained with another command, with how it differs. `gone` are
    names of runs that the sweep had and has no more.
    """

    finished: dict[str, float] = field(default_factory=dict)
    begun: list[Planned] = field(default_factory=list)
    fresh: list[Planned] = field(default_factory=list)
    edited: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


def left_of(runs: Sequence[Planned], store: Store, check: Check) -> Left:
    """Returns what is left to do. It changes nothing but the notes on complete logs.

    Raises:
        PolicyError: the folder of a run has files that no run of this sweep made.
    """
    left = Left()
    for run in runs:
        record = store.read(run.name)
        if record is None:
            _check_unused(run)
            left.fresh.append(run)
        elif record.command != run.command:
            left.edited[run.name] = _difference(record, run)
        elif record.status == 0 and not incomplete(run, store, record, check):
            left.finished[run.name] = record.seconds
        else:
            left.begun.append(run)
    planned = {run.name for run in runs}
    left.gone = [name for name in store.names() if name not in planned]
    return left


def incomplete(run: Planned, store: Store, record: Record, check: Check) -> str:
    """Returns why a run that ended well is not finished; empty if it is.

    A log that was complete is not read again as long as its size and time are the same.
    """
    try:
        status = run.log.stat()
    except OSError:
        return check(run)
    seen = (status.st_size, status.st_mtime_ns)
    if seen == (record.checked_size, record.checked_mtime_ns):
        return ""
    reason = check(run)
    if not reason:
        checked = replace(record, checked_size=seen[0], checked_mtime_ns=seen[1])
        try:
            write_record(store.record_path(run.name), checked)
        except HarnessError:  # a full disk: the log is then read again the next time
            return ""
    return reason


def wait_for_others(runs: Sequence[Planned], store: Store, *, grace_s: float) -> None:
    """Waits for runs of a driver that was killed: their keepers end them.

    Raises:
        HarnessError: a run does not end.
    """
    until = time.monotonic() + grace_s + WAIT_S
    for run in runs:
        while is_held(store.lock_path(run.name)):
            if time.monotonic() > until:
                record = store.read(run.name)
                who = f" as process {record.pid} on {record.host}" if record else ""
                msg = f"still runs{who}, from an earlier sweep; end it, and repeat the command"
                raise HarnessError(msg, source=str(run.folder))
            time.sleep(0.1)


def _check_unused(run: Planned) -> None:
    if run.log.exists() and not run.log.is_relative_to(run.folder):
        msg = "exists, and no run of this sweep wrote it; move it away, or set another `log`"
        raise PolicyError(msg, source=str(run.log))
    if run.folder.is_symlink() or (run.folder.exists() and any(run.folder.iterdir())):
        msg = (
            "holds files that this sweep did not make; move the folder away, or set another `out` "
            "or `name`"
        )
        raise PolicyError(msg, source=str(run.folder))


def _difference(record: Record, run: Planned) -> str:
    """Returns the words that differ between the recorded command of a run and the present one."""
    device = "{device}" if run.pooled else ""
    before = shlex.split(record.shown)
    after = [*_variables(run.environment(device)), *run.argv(device)]
    removed, added = [], []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal" and not (run.pooled and "{device}" in " ".join(after[c:d])):
            removed += before[a:b]
            added += after[c:d]
    if not removed and not added:
        return "another log"
    if not removed:
        return f"{shlex.join(added)} is new"
    return (
        f"{shlex.join(removed)} is now {shlex.join(added)}"
        if added
        else (f"{shlex.join(removed)} was removed")
    )


def _variables(env: dict[str, str]) -> list[str]:
    return [f"{name}={text}" for name, text in env.items()]
