"""Judges ports by an executor, whose workers may be on other machines."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.ports.check import Checked, Task, check_port, failed
from harness.system.executors import Make, each, line_of
from harness.version import tool_version

HOPELESS = 20
"""Ports that an executor must fail to run, without running any, before the check ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A task as a worker gets it, with the folder and the version of the check."""

    task: Task
    folder: str
    version: str


def check_sent(sent: Sent) -> Checked | str:
    """Returns the checked port, or why this worker would judge other logs or by other rules.

    Runs in a worker.
    """
    version, here = tool_version(), str(Path.cwd())
    if version != sent.version:
        return (
            f"a worker has harness {version}, and this check {sent.version}; install one version "
            "on every machine"
        )
    report = sent.task.report
    relative = not sent.task.manifest.is_absolute() or bool(report and not report.is_absolute())
    if relative and here != sent.folder:
        return (
            f"a worker runs in {here}, and this check in {sent.folder}; give the manifest and the "
            "report folder as absolute paths, or start the workers in the folder of the check"
        )
    return check_port(sent.task)


def check_by_executor(tasks: Sequence[Task], make: Make) -> Generator[Checked, None, None]:
    """Yields the checked ports as they arrive, in no order. Close it to cancel the rest.

    A port whose worker the executor lost is an error. If the executor repeats lost work, as Ray and
    Dask do, it becomes an error only when that was in vain.

    Raises:
        HarnessError: the executor cannot be made or runs nothing, or a worker has another version
            or another folder.
    """
    folder, version = str(Path.cwd()), tool_version()
    sent = (Sent(task=task, folder=folder, version=version) for task in tasks)
    errors, judged = 0, 0
    with closing(each(check_sent, sent, make=make)) as stream:
        for thing, outcome in stream:
            if isinstance(outcome, Checked):
                judged += 1
                yield outcome
                continue
            if isinstance(outcome, str):
                raise HarnessError(outcome)
            errors += 1
            lost = line_of(outcome)
            if errors >= HOPELESS and not judged:
                msg = (
                    f"the executor ran none of the first {errors} ports: {lost}; check that "
                    "harness is installed where its workers run"
                )
                raise HarnessError(msg)
            message = (
                f"the executor lost the worker that judged it ({lost}); check the size of its "
                "logs, and run it alone with `harness compare`"
            )
            yield Checked(task=thing.task, result=failed(thing.task, message))
