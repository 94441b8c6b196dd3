"""Groups of runs that differ by seed, and the prior of the spread between seeds learned from them.

The prior is that of `harness/stats/seed_prior.py`; `python -m benchmarks.few_runs` prints it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.stats.seed_prior import Prior
from harness.stats.stretches import batch_means, cuts, levels

Floats = NDArray[np.float64]
RECORDS = 50
"""Smallest number of records of a group."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Runs (N, n) of one recipe that differ by seed, at steps (n,)."""

    name: str
    family: str
    task: str
    recipe: str
    curves: Floats
    steps: NDArray[np.int64]


def groups(folder: Path) -> list[Group]:
    """The groups with two runs or more whose losses are finite and positive."""
    curves = np.load(folder / "curves.npz")
    found = []
    for one in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        losses = curves[one["key"]].astype(np.float64)
        losses = losses[(losses > 0).all(axis=1) & np.isfinite(losses).all(axis=1)]
        if losses.shape[0] > 1 and losses.shape[1] >= RECORDS:
            recipe = json.dumps(one["recipe"], sort_keys=True)
            found.append(
                Group(name=one["key"], family=one["family"], task=one["task"], recipe=recipe,
                      curves=losses, steps=curves[f"{one['key']}_steps"])
            )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratios:
    """Variances between runs over squared batch-means errors of one run, with their weights."""

    ratio: Floats
    degrees: Floats
    weight: Floats


def ratios(found: Sequence[Group]) -> Ratios:
    """The ratios of a family: of every group, stretch and run; the weights add up to 1."""
    rows = []
    for group in found:
        n = group.curves.shape[0]
        for cut in cuts(group.curves.shape[1]):
            level = levels(group.curves[:, cut])
            between = float(level.var(ddof=1)) / float(level.mean()) ** 2
            errors = batch_means(group.curves[:, cut])
            rows += [(between / error**2, n - 1, 1 / n) for error in errors if error > 0 < between]
    ratio, degrees, weight = np.array(rows).T
    return Ratios(ratio=ratio, degrees=degrees, weight=weight / weight.sum())


def learned(families: Sequence[Ratios]) -> Prior:
    """The prior of the greatest likelihood: ratio / prior.ratio^2 is F(degrees, prior.degrees)."""

    def loss(given: Floats) -> float:
        scale, degrees = np.exp(2 * given[0]), np.exp(given[1])
        parts = (
            f.weight @ (stats.f.logpdf(f.ratio / scale, f.degrees, degrees) - np.log(scale))
            for f in families
        )
        return -float(sum(parts))

    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead").x
    return Prior(ratio=float(np.exp(best[0])), degrees=float(np.exp(best[1])))


def priors(found: Sequence[Group]) -> Mapping[str, Prior]:
    """The prior of all families, under an empty name, and of all but each."""
    by_family = {
        name: ratios([group for group in found if group.family == name])
        for name in sorted({group.family for group in found})
    }
    return {
        name: learned([one for other, one in by_family.items() if other != name])
        for name in ("", *by_family)
    }
