"""Judges the ports of a manifest side by side, and remembers what is done.

Each port is judged in a process of its own pool, so that one that is killed or goes wrong becomes
an error of that port and of no other.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.comparison.result import ERROR, PortResult, RuleResult, judged
from harness.errors import HarnessError
from harness.ports.evidence import Content, judged_on, recorded
from harness.ports.files import save_report
from harness.ports.manifest import Port, compare_port
from harness.system.running import internal
from harness.system.workers import Lost, each
from harness.version import tool_version

ALONE_BELOW = 4
"""Ports that are judged in this process: starting others takes longer."""
DIED = (
    "the process that judged it died (killed, or out of memory); check the size of its logs, and "
    "run it alone with `harness compare`"
)
LIMIT_S = 3600
"""Seconds that a port may take, where ports are judged in processes of their own."""
LATE = "not judged within {limit_s:g} s; give more time with --limit, or look at its logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One port to judge. `line` is that of its entry; `report` the folder for its report."""

    port: Port
    manifest: Path
    line: int
    report: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A task, its result, and the content of the logs it was given on; None where not sure."""

    task: Task
    result: PortResult
    seen: Content | None = None


def check_port(task: Task) -> Checked:
    """The result of one port; whatever goes wrong with it is a result of its own."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    begun = time.monotonic()
    seen: Content | None = None
    root = task.manifest.parent
    try:
        before = recorded(task.port, root)
        comparison = compare_port(task.port, root)
        seen = judged_on(comparison, task.port, root, before)
        result = judged(task.port.name, comparison)
        if task.report is not None:
            command = f"harness check {shlex.quote(str(task.manifest))}"
            save_report(comparison, task.report, command=command, owner=owner_of(task))
    except HarnessError as error:
        result = failed(task, str(error))
    except Exception as error:  # a fault of this program must not hide the other ports' verdicts
        result = failed(task, internal(error))
    elapsed = round(time.monotonic() - begun, 3)
    where: dict[str, Any] = {"manifest": str(task.manifest), "line": task.line}
    version = tool_version()
    result = replace(result, **where, started=started, elapsed_s=elapsed, tool_version=version)
    return Checked(task=task, result=result, seen=seen)


def owner_of(task: Task) -> str:
    """The manifest of a port, as a path from the report folder, which may be carried elsewhere."""
    try:
        return os.path.relpath(task.manifest, task.report.parent if task.report else None)
    except ValueError:  # Windows: another drive
        return str(task.manifest.resolve())


def failed(task: Task, message: str) -> PortResult:
    """The result of a port that could not be judged."""
    rules = tuple(
        RuleResult(rule=str(rule), verdict=ERROR, reason=message)
        for rule in task.port.policy().calls
    )
    return PortResult(
        port=task.port.name,
        verdict=ERROR,
        reasons=(message,),
        rules=rules,
        metric=task.port.metric,
        manifest=str(task.manifest),
        line=task.line,
        tool_version=tool_version(),
    )


def check_ports(
    tasks: Sequence[Task], *, workers: int | None = None, limit_s: float | None = None
) -> Generator[PortResult, None, None]:
    """The results as they come, in no order; see `check_tasks`."""
    with closing(check_tasks(tasks, workers=workers, limit_s=limit_s)) as found:
        for checked in found:
            yield checked.result


def check_tasks(
    tasks: Sequence[Task], *, workers: int | None = None, limit_s: float | None = None
) -> Generator[Checked, None, None]:
    """What is checked as it comes, in no order; one process per core, unless `workers` says else.

    A few ports are judged in this process, unless each has at most `limit_s` seconds. Closing it
    ends the processes.
    """
    workers = workers or _cores()
    if limit_s is None and (workers == 1 or len(tasks) < ALONE_BELOW):
        yield from map(check_port, tasks)
        return
    limit_s = limit_s or LIMIT_S
    with closing(each(check_port, tasks, workers=workers, limit_s=limit_s)) as found:
        for task, checked in found:
            if isinstance(checked, Checked):
                yield checked
                continue
            reason = DIED if checked is Lost.DIED else LATE.format(limit_s=limit_s)
            yield Checked(task=task, result=failed(task, reason))


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
