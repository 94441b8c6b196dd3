"""The contrasts of the permutation test: every record, and a few shapes of the whole curve.

A contrast is one number per run. Single records show a local difference. Shapes show a difference
that is small everywhere: the mean level, and the first cosines over the standardized records (a
tilt, a bend, a wave). All contrasts are standardized by their spread over the pooled runs, which
is the same for every split, so that a single maximum can cover them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned, Curves
from harness.align.measure import relative_error
from harness.align.scale import in_unit
from harness.log.arrays import Floats

SHAPES = ("tilt", "bend", "wave")
EQUAL = 1e-9
"""A spread below this fraction of a contrast's size is rounding, not a difference."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contrasts:
    """Standardized contrasts (N, F), baseline runs first; `where` describes each for readers.

    `shift` (F,) is the candidate mean minus the baseline mean, as a fraction of the baseline mean's
    size; NaN for shapes, which have no unit.
    """

    values: Floats
    where: tuple[str, ...]
    shift: Floats


def contrasts(aligned: Aligned) -> Contrasts:
    """Returns the contrasts of the judged series, of schedules and of validation.

    The judged values must be finite. A record of another series is left out if it is not finite in
    any baseline run.
    """
    parts = [_records(aligned, "step"), _shapes(aligned)]
    for other in (*aligned.schedules, *aligned.validation):
        finite = np.asarray(np.isfinite(other.baseline).all(axis=0), dtype=np.bool_)
        if finite.any():
            parts.append(_records(other, f"{other.metric} at step", keep=finite))
    values = np.hstack([part.values for part in parts])
    spread, size = values.std(axis=0), np.sqrt((values**2).mean(axis=0))
    moves = spread > EQUAL * size
    standard = np.where(moves, (values - values.mean(axis=0)) / np.where(moves, spread, 1.0), 0.0)
    return Contrasts(
        values=standard,
        where=tuple(name for part in parts for name in part.where),
        shift=np.concatenate([part.shift for part in parts]),
    )


def _records(aligned: Curves, label: str, *, keep: NDArray[np.bool_] | None = None) -> Contrasts:
    mask = np.ones(aligned.steps.size, dtype=np.bool_) if keep is None else keep
    values = in_unit(np.vstack([aligned.baseline, aligned.candidate])[:, mask])
    where = tuple(f"{label} {step}" for step in aligned.steps[mask].tolist())
    return Contrasts(values=values, where=where, shift=_shift(aligned, values))


def _shapes(aligned: Aligned) -> Contrasts:
    """Returns the mean level, and the cosines of half a period, one, and one and a half."""
    values = in_unit(np.vstack([aligned.baseline, aligned.candidate]))
    level = values.mean(axis=1, keepdims=True)
    centred = values - values.mean(axis=0)
    spread = values.std(axis=0)
    flat = spread <= EQUAL * np.abs(values).max(axis=0)
    standard = np.where(flat, 0.0, centred / np.where(flat, 1.0, spread))
    n = aligned.steps.size
    orders = np.arange(1, len(SHAPES) + 1)
    waves = np.cos(np.pi * np.outer(np.arange(n) + 0.5, orders) / n)
    return Contrasts(
        values=np.hstack([level, standard @ waves]),
        where=("the mean level", *(f"the {name} of the curve" for name in SHAPES)),
        shift=np.concatenate([_shift(aligned, level), np.full(len(SHAPES), np.nan)]),
    )


def _shift(aligned: Curves, values: Floats) -> Floats:
    b = aligned.baseline.shape[0]
    base, cand = values[:b].mean(axis=0), values[b:].mean(axis=0)
    return relative_error(base, cand)
