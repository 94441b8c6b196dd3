"""The parent of the checks: starts child processes, and holds each check to its time.

A child that crashes or does not answer costs the check that it was at. The others run in another
child. Checks that need one that failed are not run: one cause gives one problem.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from model.doctor.check import BY_NAME, PROBLEM, WARNING, Asked, Result, problem, warning

ROOT = Path(__file__).parents[2]
LAST = 200
"""Characters of a crashed child's last line that are shown."""


@dataclass(slots=True)
class Progress:
    """The results so far by name, and the names that are left, in order."""

    left: list[str]
    done: dict[str, Result] = field(default_factory=dict)


def run_all(
    asked: Asked, names: Sequence[str], *, seconds: float, show: Callable[[str, Result], None]
) -> dict[str, Result]:
    """Returns the results of the named checks by name; calls `show` with each as it comes."""
    progress = Progress(left=list(names))
    while progress.left:
        _drop_blocked(progress, show)
        if progress.left:
            _one_child(asked, progress, seconds=seconds, show=show)
    return progress.done


def _drop_blocked(progress: Progress, show: Callable[[str, Result], None]) -> None:
    """Settles the checks that cannot be judged, because one that they need is a problem."""
    for name in list(progress.left):
        failed = [need for need in BY_NAME[name].needs if _failed(progress.done.get(need))]
        if failed:
            _settle(progress, name, not_checked(failed[0]), show)


def _failed(result: Result | None) -> bool:
    """Returns whether a check failed, or was not run because of another one."""
    return result is not None and (result.status == PROBLEM or "blocked_by" in result.details)


def not_checked(need: str) -> Result:
    """Returns the result of a check whose subject needs what failed."""
    return warning(f"not checked: it needs {need}", f"see {need}", blocked_by=need)


def _settle(
    progress: Progress, name: str, result: Result, show: Callable[[str, Result], None]
) -> None:
    operators = progress.done.get("operators")
    if result.missing and operators is not None and operators.status == PROBLEM:
        result = replace(
            not_checked("operators"), found=f"not checked: the device has no {result.missing}"
        )
    progress.left.remove(name)
    progress.done[name] = result
    show(name, result)


def _one_child(
    asked: Asked, progress: Progress, *, seconds: float, show: Callable[[str, Result], None]
) -> None:
    """Runs checks in one child until it ends, or until a result changes what can be checked."""
    order = json.dumps({"asked": asdict(asked), "checks": progress.left})
    current = progress.left[0]
    with tempfile.TemporaryFile() as errors, _child(order, _variables(progress), errors) as child:
        for message in _messages(child, seconds):
            if message is None:
                _settle(progress, current, _late(seconds), show)
                return
            if "begin" in message:
                current = message["begin"]
                continue
            result = Result(**message["result"])
            _settle(progress, message["end"], result, show)
            if result.status == PROBLEM or not progress.left:
                return
        if current in progress.left:
            _settle(progress, current, _crashed(child.wait(), _last_line(errors)), show)


def _variables(progress: Progress) -> Mapping[str, str]:
    """Returns the environment of a child; without the plugin once that was seen to fail."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    broken = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"} if _failed(progress.done.get("plugin")) else {}
    return {**os.environ, "PYTHONPATH": path, **broken}


@contextmanager
def _child(
    order: str, variables: Mapping[str, str], errors: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session for itself; it and all that it started are killed at the end."""
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "model.doctor.worker", order],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=dict(variables),
        start_new_session=True,
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _messages(child: subprocess.Popen[bytes], seconds: float) -> Iterator[dict[str, Any] | None]:
    """Yields what the child says; None, and no more, where it is silent for too long."""
    assert child.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        while True:
            if not selector.select(max(0.0, end - time.monotonic())):
                yield None
                return
            block = os.read(child.stdout.fileno(), 65536)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield json.loads(line)
                end = time.monotonic() + seconds


def _late(seconds: float) -> Result:
    return problem(
        f"no result after {seconds:g} s",
        "look at the device's driver and its log; on a slow machine allow more: --timeout SECONDS",
    )


def _crashed(status: int, last: str) -> Result:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    said = f" ({last})" if last else ""
    return problem(f"the process ended {how}{said}", "look at the plugin, its driver and its log")


def _last_line(errors: IO[bytes]) -> str:
    """Returns the last line that the child wrote to standard error, shortened."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return "".join(c if c.isprintable() else "?" for c in line)[:LAST]


def count(results: Mapping[str, Result]) -> tuple[int, int]:
    """Returns how many problems and how many warnings there are."""
    statuses = [result.status for result in results.values()]
    return statuses.count(PROBLEM), statuses.count(WARNING)
