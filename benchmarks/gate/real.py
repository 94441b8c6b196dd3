"""Gates from real seeds: each run of a group is judged by gates from other runs of its group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.simulated import history
from benchmarks.seed_prior import groups
from harness.align.aligned import curves
from harness.gate.checks import FEWEST
from harness.gate.figures import default_last
from harness.gate.limits import student
from harness.gate.propose import propose
from harness.gate.worse import Worse
from harness.storage.logs import expand, read_run

Floats = NDArray[np.float64]
LOOKED_AT = ("criteo1tb", "imagenet_resnet", "llama31_405b", "stable_diffusion")
"""Families that were looked at before the limits were fixed: every second one by name."""
BOOTSTRAPS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """The figures (n,) of the runs of a group."""

    family: str
    group: str
    values: Floats


def of_families(folder: Path, *, last: int | None) -> list[Figures]:
    """The figures of every group with four runs or more."""
    return [
        Figures(family=g.family, group=g.name, values=_reduced(g.curves, last))
        for g in groups(folder)
        if g.curves.shape[0] > FEWEST - 1
    ]


def of_logs(folder: Path, *, last: int | None) -> list[Figures]:
    """The figures of every sub-folder of logs."""
    found = []
    for system in sorted(path for path in folder.iterdir() if path.is_dir()):
        runs = [read_run(log) for log in expand(str(system))]
        values = _reduced(curves(runs, runs, metric="loss").baseline, last)
        found.append(Figures(family=folder.name, group=system.name, values=values))
    return found


def _reduced(losses: Floats, last: int | None) -> Floats:
    reduced: Floats = losses[:, -(last or default_last("loss", losses.shape[1])) :].mean(axis=1)
    return reduced


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Alarms of `judged` runs, with a 95 % interval from a bootstrap of groups; fractions."""

    family: str
    runs: int
    rate: float
    judged: int
    refused: int
    share: float
    low: float
    high: float


def rates(found: Sequence[Figures], rate: float, *, seed: int) -> Iterator[Rate]:
    """Yields a row for each family and number of runs of the history.

    The history is all other runs of the group. Groups of ten are also judged from random histories
    of five. Both directions are judged.
    """
    rng = np.random.default_rng(seed)
    for family in sorted({f.family for f in found}):
        groups_of = [f.values for f in found if f.family == family]
        for n in sorted({v.size - 1 for v in groups_of} | {FEWEST}):
            counted = [_alarms(v, n, rate, rng) for v in groups_of if v.size > n]
            counted = [c for c in counted if c[1]]
            if counted:
                yield _rate(family, n, rate, np.array(counted), rng)


def _alarms(values: Floats, n: int, rate: float, rng: np.random.Generator) -> tuple[int, int, int]:
    """Returns alarms, judged runs and refused histories."""
    alarms = judged = refused = 0
    for i in range(values.size):
        others = np.delete(values, i)
        chosen = others if n == others.size else others[np.sort(rng.permutation(others.size)[:n])]
        if n < FEWEST:  # refused by the command; the limits themselves are measured here
            limits = student(chosen, rate=rate, worse=Worse.BOTH)
        else:
            proposed = propose(history(chosen), rate=rate, worse=Worse.BOTH).limits
            if proposed is None:
                refused += 1
                continue
            limits = proposed
        judged += 1
        inside = (limits.low or 0.0) <= values[i] <= (limits.high or 0.0)
        alarms += not inside
    return alarms, judged, refused


def _rate(family: str, n: int, rate: float, counted: Floats, rng: np.random.Generator) -> Rate:
    groups_of = counted.shape[0]
    drawn = counted[rng.integers(groups_of, size=(BOOTSTRAPS, groups_of))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    alarms, judged, refused = counted.sum(axis=0)
    if alarms == 0:  # a bootstrap shows no alarm either; the bound is that of independent runs
        high = 1 - 0.025 ** (1 / judged)
    return Rate(
        family=family, runs=n, rate=rate, judged=int(judged), refused=int(refused),
        share=float(alarms / judged), low=float(low), high=float(high),
    )  # fmt: skip
