"""How to train runs: all that a sweep says beyond the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.sweep.complete import why_incomplete
from harness.sweep.manifest import Sweep
from harness.sweep.plan import Planned
from harness.sweep.resume import Check
from harness.system.executors import WIDTH, Make


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How to train runs.

    `out` is the folder of the sweep, `cwd` that of the commands. `check` says why a log is not
    complete. `jobs` is the number of runs at a time. `make` makes an executor; None stands for
    keepers on this machine. If `part` is set, the folder may have other runs of the same sweep.
    """

    out: Path
    cwd: Path
    check: Check
    jobs: int = 1
    devices: Sequence[str] = ()
    grace_s: float = 10.0
    steps: int | None = None
    pattern: str | None = None
    make: Make | None = None
    fail_fast: bool = False
    part: bool = False


def job_of(
    sweep: Sweep,
    root: Path,
    *,
    jobs: int | None = None,
    make: Make | None = None,
    fail_fast: bool = False,
) -> Job:
    """Returns how to train the runs of a sweep; relative paths start from `root`.

    `jobs` replaces the number of the sweep.
    """

    def check(run: Planned) -> str:
        return why_incomplete(run.log, steps=sweep.steps, pattern=sweep.pattern)

    devices = sweep.devices or sweep.axes.get("device", ())
    usual = WIDTH if make else max(1, len(devices))
    return Job(
        out=(root / sweep.out).absolute(),
        cwd=root.absolute(),
        check=check,
        jobs=jobs or sweep.jobs or usual,
        devices=sweep.devices,
        grace_s=sweep.grace_s,
        steps=sweep.steps,
        pattern=sweep.pattern,
        make=make,
        fail_fast=fail_fast,
    )
