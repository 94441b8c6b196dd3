"""The noise floor: how far runs of one baseline differ by seed, and which shifts that hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import align
from harness.align.measure import thirds
from harness.log.arrays import Floats
from harness.log.run import Run
from harness.stats.power import minimum_detectable_effect, two_sided_t

CANDIDATES = (1, 3, 5, 10)
"""Numbers of candidate runs for which a noise floor states the smallest shift that they show."""
LEVEL = 0.05
POWER = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase of training. Spreads are standard deviations between runs, as fractions of `mean`.

    `run_spread` is the spread of a run's mean over the phase. `step_spread` is the median, over the
    steps of the phase, of the spread of a single record.
    """

    name: str
    first_step: int
    last_step: int
    mean: float
    run_spread: float
    step_spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """The spread of a series between runs, by phase of training; the first phase is the whole."""

    metric: str
    runs: int
    phases: tuple[Phase, ...]

    def shift(self, phase: Phase, candidates: int) -> float:
        """Returns the smallest shift of a phase's mean that so many candidate runs would show.

        It is a fraction, for a two-sided t-test at 5 % with 90 % power. Assumes that both sides
        have the same spread.
        """
        critical = two_sided_t(LEVEL, self.runs + candidates - 2)
        return minimum_detectable_effect(
            phase.run_spread, self.runs, candidates, critical_t=critical, power=POWER
        )


def to_meta(floor: NoiseFloor) -> dict[str, Any]:
    """Returns the noise floor as plain data for a `baseline.toml`."""
    return asdict(floor) | {"phases": [asdict(phase) for phase in floor.phases]}


def from_meta(meta: Mapping[str, Any]) -> NoiseFloor:
    """Returns the noise floor that `to_meta` wrote.

    Raises:
        TypeError, KeyError: the data have other keys or types.
    """
    phases = tuple(Phase(**phase) for phase in meta["phases"])
    floor = NoiseFloor(metric=meta["metric"], runs=meta["runs"], phases=phases)
    texts = [floor.metric, *(phase.name for phase in phases)]
    counts = [
        floor.runs,
        *(step for phase in phases for step in (phase.first_step, phase.last_step)),
    ]
    sizes = [v for phase in phases for v in (phase.mean, phase.run_spread, phase.step_spread)]
    for values, kinds in ((texts, {str}), (counts, {int}), (sizes, {int, float})):
        wrong = [value for value in values if type(value) not in kinds]
        if wrong:
            msg = f"{wrong[0]!r:.40} is of another type"
            raise TypeError(msg)
    return floor


def noise_floor(runs: Sequence[Run], *, metric: str = "loss", rank: int = 0) -> NoiseFloor | None:
    """Returns the noise floor of runs that differ by seed.

    None for fewer than two runs, for a curve that is not finite, or for a mean of zero at any step.

    Raises:
        AlignmentError: a run lacks the series, or the runs have no step in common.
    """
    if len(runs) < 2:
        return None
    aligned = align(runs, runs, metric=metric, rank=rank)
    curves, steps = aligned.baseline, aligned.steps
    if not (np.isfinite(curves).all() and float(np.abs(curves.mean(axis=0)).min()) > 0):
        return None
    cuts = {"whole": slice(None), **thirds(steps.size)}
    phases = tuple(_phase(name, steps[cut], curves[:, cut]) for name, cut in cuts.items())
    return NoiseFloor(metric=metric, runs=len(runs), phases=phases)


def _phase(name: str, steps: NDArray[np.int64], curves: Floats) -> Phase:
    """Returns the phase of curves (B, n) with n >= 1."""
    means = curves.mean(axis=1)
    level = float(means.mean())
    by_step = curves.std(axis=0, ddof=1) / np.abs(curves.mean(axis=0))
    return Phase(
        name=name,
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        mean=level,
        run_spread=float(means.std(ddof=1)) / abs(level) if level else float("inf"),
        step_spread=float(np.median(by_step)),
    )
