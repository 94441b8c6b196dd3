"""What a training curve looks like, in a few numbers that another seed hardly moves.

A measured series gives its level at the first record and in five stretches that grow longer as
training slows down; the judged one also how much it moves from record to record in either half,
unless other ranks logged it on the two sides, whose values are means of other batches. One that is
positive, as losses and norms are, is taken as logarithms, so that a feature is a relative one;
another is divided by its largest size in the baseline. A series that all baseline runs log alike,
as a schedule, gives the one record at which the candidate's lies farthest from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align import Aligned
from harness.companions import PLANNED

Floats = NDArray[np.float64]

STRETCHES = (0.0, 0.05, 0.15, 0.35, 0.65, 1.0)
"""Bounds of the stretches as parts of the common records."""
FEW = 20
"""Records below which a series has its last value only (validation, say)."""
EQUAL = 1e-6
"""Values that differ by less of their size are the same: rounding on other devices."""
PRINTED = 1e-3
"""A schedule that differs by less of its size is the same, printed with other digits."""
STILL = 1e-9
"""Moves from record to record below this part of the size are rounding too."""
SCHEDULE = "schedule"
NOISE = "noise"
RESULTS = "val."
HUGE = 1e150
"""Size, in parts of the baseline's, beyond which only the sign counts: its square is a float."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """Features by name: `baseline` (B, F) and `candidate` (C, F), in the order of `names`.

    Differences are relative: of logarithms where `logs` (F,) is true, else parts of the baseline's
    size. `exact` (F,) are schedules, which no seed moves. `ends` are the columns of the judged
    series' last level and of the last validation results.
    """

    names: tuple[str, ...]
    baseline: Floats
    candidate: Floats
    logs: NDArray[np.bool_]
    exact: NDArray[np.bool_]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """One number of every run, `column` (N,)."""

    name: str
    column: Floats
    logs: bool
    exact: bool = False
    kind: str = ""


def signature(aligned: Aligned) -> Signature:
    """The features of the judged series, its companions and its signals.

    The judged values must be finite. A record of another series that is not finite in some run is
    left out, and so is a series without any other.
    """
    judged = [
        _named(aligned, feature)
        for feature in _features(aligned)
        if aligned.same_ranks or feature.kind != NOISE
    ]
    last = max((i for i, f in enumerate(judged) if "level" in f.name), default=len(judged) - 1)
    others = (*aligned.companions, *aligned.signals)
    more = [_named(one, f) for one in others for f in _features(one) if f.kind != NOISE]
    every = [*judged, *more]
    ends = [i for i, f in enumerate(every) if f.name.startswith(RESULTS) and not f.exact]
    together = np.column_stack([feature.column for feature in every])
    b = aligned.baseline.shape[0]
    return Signature(
        names=tuple(feature.name for feature in every),
        baseline=together[:b],
        candidate=together[b:],
        logs=np.array([feature.logs for feature in every]),
        exact=np.array([feature.exact for feature in every]),
        ends=(last, *ends),
    )


def _named(one: Aligned, feature: Feature) -> Feature:
    return Feature(
        name=f"{one.metric}: {feature.name}",
        column=feature.column,
        logs=feature.logs,
        exact=feature.exact,
    )


def _features(one: Aligned) -> Iterator[Feature]:
    """The features of one series."""
    values = np.vstack([one.baseline, one.candidate])
    finite = np.isfinite(values).all(axis=0)
    if not finite.any():
        return
    values, steps, b = values[:, finite], one.steps[finite], one.baseline.shape[0]
    deviation = _deviation(values, b)
    same = PRINTED if one.metric in PLANNED else EQUAL
    alike = bool((np.abs(deviation[:b]) <= same).all())
    if alike and (one.metric in PLANNED or (b > 1 and steps.size >= FEW)):
        farthest = int(np.abs(deviation[b:]).max(axis=0).argmax())
        column = np.where(np.abs(deviation[:, farthest]) > same, deviation[:, farthest], 0.0)
        name = f"{SCHEDULE} at step {steps[farthest]}"
        yield Feature(name=name, column=column, logs=False, exact=True)
    elif (values > 0).all():
        yield from _measured(np.log(values), logs=True)
    else:
        yield from _measured(_parts(values, _size(values, b)), logs=False)


def _measured(values: Floats, *, logs: bool) -> Iterator[Feature]:
    """Levels and noise of a series, from values (N, n) of size 1 or logarithms."""
    n = values.shape[1]
    if n < FEW:
        yield Feature(name="last", column=values[:, -1], logs=logs)
        return
    yield Feature(name="first", column=values[:, 0], logs=logs)
    cuts = [round(part * n) for part in STRETCHES]
    for i, (start, end) in enumerate(itertools.pairwise(cuts), 1):
        if end > max(start, 1):
            column = values[:, max(start, 1) : end].mean(axis=1)
            yield Feature(name=f"level {i}", column=column, logs=logs)
    for name, half in (("early", values[:, : n // 2]), ("late", values[:, n // 2 :])):
        moves = np.abs(np.diff(half, axis=1)).mean(axis=1)
        column = np.log(np.maximum(moves, STILL))
        yield Feature(name=f"{name} {NOISE}", column=column, logs=True, kind=NOISE)


def _deviation(values: Floats, b: int) -> Floats:
    """Values (N, n) minus the first run's, in parts of its record's size.

    A record that is next to nothing beside the largest, as a rate that has decayed to zero, has the
    size at which it would matter.
    """
    first = values[0]
    size = np.maximum(np.abs(first), EQUAL * _size(values, b))
    halves = values / 2 - first / 2
    return _parts(halves, np.maximum(size / 2, np.finfo(float).tiny))


def _size(values: Floats, b: int) -> float:
    """The largest size in the baseline; where that is zero throughout, in all runs, or 1."""
    return float(np.abs(values[:b]).max() or np.abs(values).max() or 1.0)


def _parts(values: Floats, size: Floats | float) -> Floats:
    """Values in parts of a size, within what can be squared."""
    with np.errstate(over="ignore"):
        return np.clip(values / size, -HUGE, HUGE)
