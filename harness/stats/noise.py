"""How far runs of one baseline lie apart by seed alone, and what that hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import align
from harness.align.measure import thirds
from harness.log.run import Run
from harness.stats.power import minimum_detectable_effect, two_sided_t

Floats = NDArray[np.float64]

CANDIDATES = (1, 3, 5, 10)
"""Numbers of candidate runs for which a noise floor says what they could show."""
LEVEL = 0.05
POWER = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of training. Spreads are standard deviations between runs, fractions of `mean`.

    `run_spread` is that of a run's mean over the stretch, `step_spread` the median over its steps
    of that of a single record.
    """

    name: str
    first_step: int
    last_step: int
    mean: float
    run_spread: float
    step_spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """The spread of `runs` runs in one series, by phase of training, the whole first."""

    metric: str
    runs: int
    phases: tuple[Phase, ...]

    def shift(self, phase: Phase, candidates: int) -> float:
        """The smallest shift of a phase's mean that so many candidate runs would show.

        A two-sided t-test at 5 % with 90 % power, equal spread on both sides; a fraction.
        """
        critical = two_sided_t(LEVEL, self.runs + candidates - 2)
        return minimum_detectable_effect(
            phase.run_spread, self.runs, candidates, critical_t=critical, power=POWER
        )


def to_meta(floor: NoiseFloor) -> dict[str, Any]:
    """The noise floor as plain data for a baseline.toml."""
    return asdict(floor) | {"phases": [asdict(phase) for phase in floor.phases]}


def from_meta(meta: Mapping[str, Any]) -> NoiseFloor:
    """The noise floor that `to_meta` wrote.

    Raises:
        TypeError, KeyError: the data are not of that shape.
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
    """The noise floor of runs that differ by seed; None for fewer than two, or where not finite.

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
    """One stretch, from curves (B, n) with n >= 1."""
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
