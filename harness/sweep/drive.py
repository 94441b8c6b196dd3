"""Trains what is left of a sweep, by keeper processes of this machine or by an executor."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.sweep.holding import hold, result, start
from harness.sweep.keep import Ended, Order
from harness.sweep.plan import Planned, shown_command
from harness.sweep.state import Driver, Store
from harness.system.executors import Make, each, line_of

POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A run that has started."""

    run: Planned
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Nothing has changed; the runs in training go on."""


Event = Began | Ended | Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The runs to train, and how. `resumed` are the names of those that go on from where they were.

    `jobs` is the number of runs at a time. `devices` are those that a run may take; without them,
    only runs that name the same device themselves wait for each other.
    """

    runs: Sequence[Planned]
    jobs: int
    cwd: Path
    grace_s: float
    devices: Sequence[str] = ()
    resumed: frozenset[str] = frozenset()
    stop: list[bool] = field(default_factory=list)
    """Anything in this list: no further run is started."""


def order_of(run: Planned, device: str, work: Work, store: Store, driver: Driver) -> Order:
    """Returns what a keeper needs to train a run on a device."""
    resumed = run.name in work.resumed
    argv, env = run.argv(device, resumed=resumed), run.environment(device)
    return Order(
        name=run.name,
        command=run.command,
        shown=shown_command(run.argv(device), env),
        argv=argv,
        env=env,
        cwd=str(work.cwd.absolute()),
        folder=str(run.folder),
        output=str(run.output),
        append=resumed,
        record=str(store.record_path(run.name)),
        lock=str(store.lock_path(run.name)),
        driver=str(store.driver_path),
        token=driver.token,
        grace_s=work.grace_s,
    )


@dataclass(slots=True, eq=False)
class _Kept:
    """A keeper process, the run that it keeps, and the device that the run has."""

    process: subprocess.Popen[bytes]
    run: Planned
    device: str


def here(work: Work, store: Store, driver: Driver) -> Generator[Event, None, None]:
    """Yields what happens while keepers on this machine train. Close it to end them."""
    waiting = list(work.runs)
    busy: list[_Kept] = []
    try:
        while (waiting and not work.stop) or busy:
            while not work.stop and len(busy) < work.jobs and (free := _next(waiting, busy, work)):
                run, device = free
                waiting.remove(run)
                order = order_of(run, device, work, store, driver)
                busy.append(_Kept(start(order), run, device))
                yield Began(run=run, device=device)
            ended = [kept for kept in busy if kept.process.poll() is not None]
            for kept in ended:
                busy.remove(kept)
                yield result(kept.process, kept.run.name)
            if not ended:
                time.sleep(POLL_S)
                yield Tick()
    finally:
        _end(busy)


def _next(
    waiting: Sequence[Planned], busy: Sequence[_Kept], work: Work
) -> tuple[Planned, str] | None:
    """Returns the next run whose device is free, with the device."""
    taken = Counter(kept.device for kept in busy if kept.device)
    for run in waiting:
        if run.pooled:
            device = next((d for d in work.devices if d not in taken), "")
            if device:
                return run, device
        elif not run.device or run.device not in taken:
            return run, run.device
    return None


def _end(busy: Sequence[_Kept]) -> None:
    """Asks keepers to end their runs, and waits for them; an interrupt meanwhile kills the runs."""
    for kept in busy:
        kept.process.terminate()
    for kept in busy:
        while True:
            try:
                kept.process.wait()
                break
            except KeyboardInterrupt:
                for other in busy:
                    if other.process.poll() is None:
                        other.process.terminate()
        result(kept.process, kept.run.name)


def elsewhere(
    work: Work, store: Store, driver: Driver, *, make: Make
) -> Generator[Event, None, None]:
    """Yields how runs end that an executor trains. Close it to cancel those that wait.

    Runs that are in training end when the driver is closed. The executor decides on what device a
    run trains.
    """
    orders = (order_of(run, run.device, work, store, driver) for run in work.runs if not work.stop)
    with closing(each(hold, orders, make=make, width=work.jobs)) as stream:
        for order, outcome in stream:
            if isinstance(outcome, Ended):
                yield outcome
            else:
                problem = f"the executor lost its worker: {line_of(outcome)}"
                yield Ended(name=order.name, status=None, seconds=0.0, problem=problem)


def check_placement(runs: Sequence[Planned], devices: Sequence[str], *, by_executor: bool) -> None:
    """Refuses a pool of devices together with an executor.

    Raises:
        HarnessError: both are given.
    """
    if by_executor and devices and any(run.pooled for run in runs):
        msg = (
            "`devices` with --executor: they are devices of this machine; remove them, and let the "
            "workers of the executor choose, or make `device` an axis"
        )
        raise HarnessError(msg)
