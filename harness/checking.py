"""Judges the ports of a manifest side by side, and remembers what is done.

Each port is judged in a process of its own pool, so that one that is killed or goes wrong becomes
an error of that port and of no other.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.files import save_report
from harness.manifest import Port, compare_port
from harness.report.json import tool_version
from harness.results import ERROR, PortResult, RuleResult, judged

ALONE_BELOW = 4
"""Ports that are judged in this process: starting others takes longer."""
DIED = (
    "the process that judged it died (killed, or out of memory); check the size of its logs, and "
    "run it alone with `harness compare`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One port to judge. `line` is that of its entry; `report` the folder for its report."""

    port: Port
    manifest: Path
    line: int
    report: Path | None = None


def check_port(task: Task) -> PortResult:
    """The result of one port; whatever goes wrong with it is a result of its own."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    begun = time.monotonic()
    try:
        comparison = compare_port(task.port, task.manifest.parent)
        result = judged(task.port.name, comparison)
        if task.report is not None:
            command = f"harness check {shlex.quote(str(task.manifest))}"
            save_report(comparison, task.report, command=command)
    except HarnessError as error:
        result = failed(task, str(error))
    except Exception as error:  # a fault of this program must not hide the other ports' verdicts
        what = f"{type(error).__name__}: {error}"
        result = failed(task, f"internal error, please report it: {what:.300}")
    elapsed = round(time.monotonic() - begun, 3)
    where: dict[str, Any] = {"manifest": str(task.manifest), "line": task.line}
    version = tool_version()
    return replace(result, **where, started=started, elapsed_s=elapsed, tool_version=version)


def failed(task: Task, message: str) -> PortResult:
    """The result of a port that could not be judged."""
    rules = tuple(
        RuleResult(rule=str(rule), verdict=ERROR, reason=message)
        for rule in task.port.policy().rules
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
    tasks: Sequence[Task], *, workers: int | None = None
) -> Generator[PortResult, None, None]:
    """The results as they come, in no order; one process per core, unless `workers` says else.

    Closing it ends the processes; without that, one that waits would be waited for at the exit.
    """
    workers = workers or _cores()
    if workers == 1 or len(tasks) < ALONE_BELOW:
        yield from map(check_port, tasks)
        return
    left = list(tasks)
    while left:
        suspects: list[Task] = []
        with closing(_in_pool(tuple(left), workers)) as found:
            for task, result in found:
                if result is None:
                    suspects.append(task)
                else:
                    left.remove(task)
                    yield result
        for task in suspects:  # one of them killed its process: each alone, to know which
            left.remove(task)
            ((_, result),) = _in_pool([task], 1)
            yield result or failed(task, DIED)


def _in_pool(
    tasks: Sequence[Task], workers: int
) -> Generator[tuple[Task, PortResult | None], None, None]:
    """Each task with its result; after a process died, those that were under way with None."""
    context = multiprocessing.get_context("spawn")  # a fork would copy this process's threads
    running: dict[Future[PortResult], Task] = {}
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interrupts) as pool:
        try:
            for task in tasks:
                running[pool.submit(check_port, task)] = task
                if len(running) >= 2 * workers:
                    yield from _finished(running)
            while running:
                yield from _finished(running)
        except BrokenProcessPool:
            yield from ((task, None) for task in running.values())
        except BaseException:  # an interruption: what runs is of no use any more
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(
    running: dict[Future[PortResult], Task],
) -> Iterator[tuple[Task, PortResult]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        result = future.result()
        yield running.pop(future), result


def _ignore_interrupts() -> None:
    """Control-C is for the process that shows the progress."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
