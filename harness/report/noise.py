"""The noise floor of a baseline in words and figures."""

from __future__ import annotations

from harness.log.wording import counted
from harness.report.table import Table
from harness.stats.noise import CANDIDATES, LEVEL, POWER, NoiseFloor, Phase

UNKNOWN = (
    "noise floor: unknown, because a single run does not show how much the seed alone changes; "
    "record 3 runs or more, preferably 10, that differ by seed only"
)
NOT_FINITE = "noise floor: the runs contain NaN, infinity or zero, so no relative spread exists"


def table(floor: NoiseFloor) -> Table:
    """Returns the spread by phase of training, and the minimum detectable effects."""
    head = ("phase", "steps", "mean", "run spread", "record spread")
    shifts = tuple(counted(number, "run") for number in CANDIDATES)
    title = (
        f"Noise floor of {floor.metric}, {counted(floor.runs, 'run')}: spread by seed, and the "
        f"smallest shift that candidate runs show with {POWER:.0%} power at {LEVEL:.0%}"
    )
    return Table(title=title, head=head + shifts, rows=tuple(_row(floor, p) for p in floor.phases))


def _row(floor: NoiseFloor, phase: Phase) -> tuple[str, ...]:
    shifts = (f"{floor.shift(phase, count):.2%}" for count in CANDIDATES)
    return (
        phase.name,
        f"{phase.first_step}-{phase.last_step}",
        f"{phase.mean:.4g}",
        f"{phase.run_spread:.2%}",
        f"{phase.step_spread:.2%}",
        *shifts,
    )
