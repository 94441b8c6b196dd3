"""Judges the ports of a manifest in parallel.

Worker processes judge the ports, so that a process that is killed or fails is an error of its port
only.
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

from harness.comparison.flaky import joined
from harness.comparison.pipeline import Comparison
from harness.comparison.quarantine import Quarantine
from harness.comparison.result import ERROR, PortResult, RuleResult, judged
from harness.errors import HarnessError
from harness.ports.evidence import Content, judged_on, recorded
from harness.ports.files import save_report
from harness.ports.manifest import Port, compare_port
from harness.ports.supply import Supply, fetched_ahead
from harness.storage.fetching import supplied
from harness.system.running import internal
from harness.system.workers import Lost, each
from harness.system.workers import cores as _cores
from harness.version import tool_version

ALONE_BELOW = 4
"""Below this number of ports, this process judges them: starting workers would take longer."""
DIED = (
    "the process that judged it died (killed, or out of memory); check the size of its logs, and "
    "run it alone with `harness compare`"
)
LIMIT_S = 3600
"""Default time limit for a port in a worker process, in seconds."""
LATE = "not judged within {limit_s:g} s; raise --limit, or check the size of its logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One port to judge. `line` is the line of its entry, `report` the folder for its report."""

    port: Port
    manifest: Path
    line: int
    report: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A task with its result. `seen` is the content that was judged; None if that is uncertain."""

    task: Task
    result: PortResult
    seen: Content | None = None


def check_port(task: Task) -> Checked:
    """Returns the result of one port. Any error is a result with the verdict `error`."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    begun = time.monotonic()
    tries = [_attempt(replace(task, port=port)) for port in task.port.tries()]
    names = [port.candidate for port in task.port.tries()]
    result = joined(names, [tried.result for tried in tries])
    worst = next((t for t in tries if t.result.verdict == result.verdict), tries[0])
    if task.report is not None and worst.comparison is not None:
        result = _reported(task, task.report, worst.comparison, result)
    elapsed = round(time.monotonic() - begun, 3)
    where: dict[str, Any] = {
        "manifest": str(task.manifest),
        "line": task.line,
        "quarantine": _terms(task.port),
    }
    version = tool_version()
    result = replace(result, **where, started=started, elapsed_s=elapsed, tool_version=version)
    return Checked(task=task, result=result, seen=_seen(tries))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """An attempt with its result; `comparison` is None, and `seen` too, if it is an error."""

    result: PortResult
    comparison: Comparison | None = None
    seen: Content | None = None


def _seen(tries: Sequence[_Tried]) -> Content | None:
    """Returns the content of all attempts; None if that of any is uncertain."""
    parts = [tried.seen for tried in tries]
    return None if None in parts else tuple(pair for part in parts for pair in part or ())


def _attempt(task: Task) -> _Tried:
    root = task.manifest.parent
    try:
        before = recorded(task.port, root)
        comparison = compare_port(task.port, root)
        return _Tried(
            result=judged(task.port.name, comparison),
            comparison=comparison,
            seen=judged_on(comparison, task.port, root, before),
        )
    except HarnessError as error:
        return _Tried(result=failed(task, str(error)))
    except Exception as error:  # a bug of this program must not hide the other ports' verdicts
        return _Tried(result=failed(task, internal(error)))


def _reported(task: Task, folder: Path, comparison: Comparison, result: PortResult) -> PortResult:
    """Writes the report of a port, and returns its result, or the error of writing."""
    command = f"harness check {shlex.quote(str(task.manifest))}"
    try:
        save_report(comparison, folder, command=command, owner=owner_of(task))
    except HarnessError as error:
        return failed(task, str(error))
    except Exception as error:  # as above
        return failed(task, internal(error))
    return result


def _terms(port: Port) -> Quarantine | None:
    return port.quarantine.terms() if port.quarantine is not None else None


def _check_supplied(supply: Supply[Task]) -> Checked:
    with supplied(supply.logs):
        return check_port(supply.task)


def owner_of(task: Task) -> str:
    """Returns the manifest's path relative to the report folder, since both may move together."""
    try:
        return os.path.relpath(task.manifest, task.report.parent if task.report else None)
    except ValueError:  # Windows: another drive
        return str(task.manifest.resolve())


def failed(task: Task, message: str) -> PortResult:
    """Returns the result of a port that could not be judged."""
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
        quarantine=_terms(task.port),
    )


def check_ports(
    tasks: Sequence[Task], *, workers: int | None = None, limit_s: float | None = None
) -> Generator[PortResult, None, None]:
    """Yields the results as they arrive, in no order; see `check_tasks`."""
    with closing(check_tasks(tasks, workers=workers, limit_s=limit_s)) as stream:
        for checked in stream:
            yield checked.result


def check_tasks(
    tasks: Sequence[Task], *, workers: int | None = None, limit_s: float | None = None
) -> Generator[Checked, None, None]:
    """Yields the checked ports as they arrive, in no order; `workers` defaults to one per core.

    This process judges fewer than `ALONE_BELOW` ports itself, unless `limit_s` is given. Close the
    generator to end the workers.
    """
    workers = workers or _cores()
    if limit_s is None and (workers == 1 or len(tasks) < ALONE_BELOW):
        yield from map(check_port, tasks)
        return
    limit_s = limit_s or LIMIT_S
    with (
        closing(fetched_ahead(tasks)) as supplies,
        closing(each(_check_supplied, supplies, workers=workers, limit_s=limit_s)) as stream,
    ):
        for supply, checked in stream:
            if isinstance(checked, Checked):
                yield checked
                continue
            task = supply.task
            reason = DIED if checked is Lost.DIED else LATE.format(limit_s=limit_s)
            yield Checked(task=task, result=failed(task, reason))
