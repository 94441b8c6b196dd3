"""Trains a sweep to its end: what was begun before goes on, and each step is told."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType

from harness.errors import HarnessError
from harness.log.wording import counted
from harness.sweep.complete import last_line, progress
from harness.sweep.drive import Began, Work, check_placement, elsewhere, here
from harness.sweep.estimate import Estimate, duration
from harness.sweep.job import Job
from harness.sweep.keep import Ended, signal_name
from harness.sweep.plan import Planned
from harness.sweep.resume import Left, incomplete, left_of, wait_for_others
from harness.sweep.state import Driver, Store

REPORT_S = 20.0
"""Seconds between two lines of progress."""
LOOK_S = 2.0
"""Seconds between two looks at the logs of the runs in training."""
NAMED = 5
"""Runs that a line names; it counts the others."""
Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of each run by name: its seconds if it is finished, otherwise the reason."""

    finished: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def train(runs: Sequence[Planned], job: Job, *, say: Say) -> Outcome:
    """Returns what became of the runs after all were trained that were not finished before.

    A run is finished if its command ended with 0 and its log is complete. A run that fails does
    not stop the others, unless `job.fail_fast` is set. `say` gets the lines of progress.

    Raises:
        HarnessError: another process drives the sweep, or a folder cannot be used.
        KeyboardInterrupt: after an interrupt or a request to terminate; all runs have ended then.
    """
    check_placement(runs, job.devices, by_executor=job.make is not None)
    store = Store(job.out)
    with terminable():
        driver = Driver(store)
        try:
            wait_for_others(runs, store, grace_s=job.grace_s)
            left = left_of(runs, store, job.check)
            tell(replace(left, gone=[]) if job.part else left, len(runs), say)
            for run in runs:
                if run.name in left.edited:
                    moved = store.replace(run.name, run.folder, run.log)
                    say(f"{run.name}: its old folder is now {moved}")
            return _trained(runs, left, job, store=store, driver=driver, say=say)
        finally:
            driver.close()


@contextmanager
def terminable() -> Iterator[None]:
    """Turns a request to terminate (SIGTERM) into KeyboardInterrupt, in the main thread."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tell(left: Left, total: int, say: Say) -> None:
    """Says what an earlier start of the sweep left."""
    if left.finished:
        say(f"{len(left.finished)} of {counted(total, 'run')} were finished before")
    if left.begun:
        names = _named([run.name for run in left.begun])
        begun = counted(len(left.begun), "run was", "runs were")
        say(f"{begun} begun and not finished, and will be trained: {names}")
    for name, change in list(left.edited.items())[:NAMED]:
        say(f"{name} was trained with another command, and will be trained again: {change}")
    if len(left.edited) > NAMED:
        say(f"and {len(left.edited) - NAMED} more runs were trained with another command")
    if left.gone:
        gone = counted(len(left.gone), "run is", "runs are")
        say(f"{gone} no longer part of the sweep, and left as before: {_named(left.gone)}")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _trained(
    runs: Sequence[Planned], left: Left, job: Job, *, store: Store, driver: Driver, say: Say
) -> Outcome:
    todo = [run for run in runs if run.name not in left.finished]
    resumed = {run.name for run in left.begun if run.resume and run.folder.exists()}
    for run in left.begun:
        store.reopen(run.name)
        if run.name not in resumed:
            store.clear(run.folder, run.log)
    work = Work(
        runs=todo,
        jobs=job.jobs,
        cwd=job.cwd,
        grace_s=job.grace_s,
        devices=job.devices,
        resumed=frozenset(resumed),
    )
    outcome = Outcome(finished=dict(left.finished))
    watch = _Watch(job, todo, outcome, say)
    events = (
        elsewhere(work, store, driver, make=job.make) if job.make else here(work, store, driver)
    )
    with closing(events) as stream:
        for event in stream:
            if isinstance(event, Began):
                watch.began(event.run)
            elif isinstance(event, Ended):
                _judge(event, store, job, watch)
                if job.fail_fast and outcome.failed:
                    work.stop.append(True)
            else:
                watch.tick()
    for run in todo:
        if run.name not in outcome.finished:
            outcome.failed.setdefault(run.name, "not started, because another run failed")
    return outcome


def _judge(ended: Ended, store: Store, job: Job, watch: _Watch) -> None:
    """Decides whether a run that has ended is finished."""
    run = watch.runs[ended.name]
    if ended.left:
        watch.left(run, ended.left)
    reason = ended.problem
    if not reason and ended.status is None:
        reason = "it had to end"
    if not reason and ended.status:
        last = last_line(run.output)
        reason = f"{signal_name(ended.status)}{f': {last}' if last else ' without output'}"
    record = store.read(run.name)
    if not reason:
        reason = (
            incomplete(run, store, record, job.check) if record else "its record cannot be read"
        )
    watch.ended(run, ended.seconds, reason)


class _Watch:
    """Follows the runs in training, and says how far they are."""

    def __init__(self, job: Job, todo: Sequence[Planned], outcome: Outcome, say: Say) -> None:
        self.runs = {run.name: run for run in todo}
        self._job, self._outcome, self._say = job, outcome, say
        self._estimate = Estimate(job.jobs, list(outcome.finished.values()))
        self._since: dict[str, float] = {}
        self._steps: dict[str, tuple[int, int]] = {}
        self._looked = self._said = time.monotonic()
        self._estimated = bool(outcome.finished)
        self._total = len(todo) + len(outcome.finished)

    def began(self, run: Planned) -> None:
        """Notes the start of a run."""
        self._since[run.name] = time.monotonic()

    def left(self, run: Planned, count: int) -> None:
        """Says that the command of a run left processes running, which were ended."""
        processes = counted(count, "process", "processes")
        self._say(f"{run.name}: ended {processes} that its command left running")

    def ended(self, run: Planned, seconds: float, reason: str) -> None:
        """Notes the end of a run, which is finished if there is no `reason`."""
        self._since.pop(run.name, None)
        self._steps.pop(run.name, None)
        if reason:
            self._outcome.failed[run.name] = reason
            self._say(f"{run.name}: failed after {duration(seconds)}: {reason}; see {run.output}")
            return
        self._outcome.finished[run.name] = seconds
        self._estimate.end(run.name, seconds)
        done = f"{len(self._outcome.finished)} of {self._total}"
        self._say(f"{run.name}: finished in {duration(seconds)} ({done}){self._left()}")
        self._said = time.monotonic()

    def tick(self) -> None:
        """Looks at the logs in training now and then, and says how far they are."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        for name in self._since:
            run = self.runs[name]
            found = progress(run.log, steps=self._job.steps, pattern=self._job.pattern)
            if found:
                self._steps[name] = found
                self._estimate.look(name, found[0], now)
        self._looked = time.monotonic()
        left = self._left()
        if now - self._said >= REPORT_S or (left and not self._estimated):
            self._estimated = self._estimated or bool(left)
            self._said = now
            running = [f"{n}: {d} of {p} steps" for n, (d, p) in self._steps.items()][:NAMED]
            count = counted(len(self._since), "run is", "runs are")
            self._say(f"{', '.join(running) or f'{count} in training'}{left}")

    def _left(self) -> str:
        """Returns the time left in words; empty if nothing is left, or nothing is known."""
        ended = len(self._outcome.finished) + len(self._outcome.failed)
        waiting = self._total - ended - len(self._since)
        now = time.monotonic()
        running = [
            (name, now - since, *self._steps.get(name, (0, 0)))
            for name, since in self._since.items()
        ]
        seconds = self._estimate.left(running, waiting) if running or waiting else None
        return f"; about {duration(seconds)} left" if seconds is not None else ""


def unfinished(outcome: Outcome, total: int) -> HarnessError:
    """Returns the error of a sweep with runs that are not finished."""
    names = _named(list(outcome.failed))
    return HarnessError(
        f"{len(outcome.failed)} of {counted(total, 'run')} not finished: {names}; repeat the "
        "command to train them again"
    )
