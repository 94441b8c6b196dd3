"""What a training curve looks like, in a few numbers that another seed hardly moves.

A measured series gives its first record and its level in five stretches that grow longer as
training slows down; the judged one also how much it moves from record to record in either half,
unless other ranks logged it on the two sides, whose values are means of other batches. Levels are
trimmed means and moves a trimmed mean too, so that a few odd steps of a run are no other seed. A
series that is positive, as losses and norms are, is taken as logarithms, so that a feature is a
relative one; another is divided by its largest size in the baseline. A series that all baseline
runs log alike, as a schedule, gives the one record at which the candidate's lies farthest from it.

N runs, of which the first B are the baseline's, n records, F features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned, Curves
from harness.align.auxiliary import PLANNED
from harness.stats.tails import tail_degrees

Floats = NDArray[np.float64]
Kind = Literal["first", "level", "noise", "last", "schedule"]

STRETCHES = (0.0, 0.05, 0.15, 0.35, 0.65, 1.0)
"""Bounds of the stretches as parts of the common records."""
TRIMMED = 0.1
"""Part of a stretch's records that its level leaves out at either end."""
MOVES_TRIMMED = 0.2
"""Part of the moves, the largest, that a noise feature leaves out."""
FEW = 20
"""Records below which a series has its last value only (validation, say)."""
EQUAL = 1e-6
"""Values that differ by less of their size are the same: rounding on other devices."""
PRINTED = 1e-3
"""A schedule that differs by less of its size is the same, printed with other digits."""
STILL = 1e-9
"""Moves from record to record below this part of the size are rounding too."""
RESULTS = "val."
HUGE = 1e150
"""Size, in parts of the baseline's, beyond which only the sign counts: its square is a float."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """One number of every run, `column` (N,), NaN where a run does not log the series.

    Differences are relative: of logarithms where `logs`, else parts of the baseline's size.
    `name` is for programs, `words` for readers: "the last val.mIoU". `tail` are the degrees of
    freedom of a Student's t with the tails of a single record; a mean has lighter ones (infinity).
    `result` marks an end result: the judged series' last level, or a last validation figure.
    """

    name: str
    words: str
    kind: Kind
    column: Floats
    logs: bool
    tail: float = math.inf
    judged: bool = False
    result: bool = False

    @property
    def exact(self) -> bool:
        """Whether it is a schedule, which no seed moves."""
        return self.kind == "schedule"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """The features of both sides: `baseline` (B, F) and `candidate` (C, F) in their order."""

    features: tuple[Feature, ...]
    baseline: Floats
    candidate: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names."""
        return tuple(feature.name for feature in self.features)

    @property
    def logs(self) -> NDArray[np.bool_]:
        """Shape (F,): which features are logarithms."""
        return np.array([feature.logs for feature in self.features])

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Shape (F,): which features are schedules."""
        return np.array([feature.exact for feature in self.features])

    @property
    def tails(self) -> Floats:
        """Shape (F,): the degrees of freedom that the features' tails allow."""
        return np.array([feature.tail for feature in self.features])

    @property
    def ends(self) -> tuple[int, ...]:
        """The columns of the end results."""
        return tuple(i for i, feature in enumerate(self.features) if feature.result)


def signature(aligned: Aligned) -> Signature:
    """The features of the judged series, of validation and of schedules and auxiliary series.

    The judged values must be finite. A run whose row of another series is NaN throughout does not
    log it; a record that is not finite in some other run is left out, and so is a series without
    any other record, or without a run on either side.
    """
    judged = [
        replace(feature, judged=True)
        for feature in _features(aligned)
        if aligned.same_ranks or feature.kind != "noise"
    ]
    ends = [i for i, f in enumerate(judged) if f.kind in {"level", "last"}]
    last = ends[-1] if ends else len(judged) - 1
    judged[last] = replace(judged[last], result=True)
    others = (*aligned.schedules, *aligned.validation, *aligned.auxiliary)
    more = [_as_result(f) for one in others for f in _features(one) if f.kind != "noise"]
    every = (*judged, *more)
    together = np.column_stack([feature.column for feature in every])
    b = aligned.baseline.shape[0]
    return Signature(features=every, baseline=together[:b], candidate=together[b:])


def _as_result(feature: Feature) -> Feature:
    """The feature, marked where it is a last validation figure."""
    validation = feature.name.startswith(RESULTS) and not feature.exact
    return replace(feature, result=True) if validation else feature


def _features(one: Curves) -> Iterator[Feature]:
    """The features of one series."""
    values = np.vstack([one.baseline, one.candidate])
    logged = np.asarray(~np.isnan(values).all(axis=1), dtype=np.bool_)
    b = int(np.count_nonzero(logged[: one.baseline.shape[0]]))
    finite = np.asarray(np.isfinite(values[logged]).all(axis=0), dtype=np.bool_)
    if not (b and logged[one.baseline.shape[0] :].any() and finite.any()):
        return
    for feature in _of_rows(one.metric, values[np.ix_(logged, finite)], one.steps[finite], b):
        column = np.full(values.shape[0], np.nan)
        column[logged] = feature.column
        yield replace(feature, name=f"{one.metric}: {feature.name}", column=column)


def _of_rows(metric: str, values: Floats, steps: NDArray[np.int64], b: int) -> Iterator[Feature]:
    """The features of finite values (N, n), the first `b` rows the baseline's."""
    deviation = _deviation(values, b)
    same = PRINTED if metric in PLANNED else EQUAL
    alike = bool((np.abs(deviation[:b]) <= same).all())
    if alike and (metric in PLANNED or (b > 1 and steps.size >= FEW)):
        farthest = int(np.abs(deviation[b:]).max(axis=0).argmax())
        column = np.where(np.abs(deviation[:, farthest]) > same, deviation[:, farthest], 0.0)
        at = f"at step {steps[farthest]}"
        yield Feature(
            name=f"schedule {at}", words=f"{metric} {at}", kind="schedule", column=column,
            logs=False,
        )  # fmt: skip
    elif (values > 0).all():
        yield from _measured(metric, np.log(values), b, logs=True)
    else:
        yield from _measured(metric, _parts(values, _size(values, b)), b, logs=False)


def _measured(metric: str, values: Floats, b: int, *, logs: bool) -> Iterator[Feature]:
    """Levels and noise of a series, from values (N, n) of size 1 or logarithms."""
    n = values.shape[1]
    if n < FEW:
        words = f"the last {metric}"
        yield Feature(name="last", words=words, kind="last", column=values[:, -1], logs=logs)
        return
    yield Feature(
        name="first", words=f"the first {metric}", kind="first", column=values[:, 0], logs=logs,
        tail=tail_degrees(values[:b]),
    )  # fmt: skip
    cuts = [round(part * n) for part in STRETCHES]
    for i, (start, end) in enumerate(itertools.pairwise(cuts), 1):
        if end > max(start, 1):
            column = trimmed_mean(values[:, max(start, 1) : end], low=TRIMMED, high=TRIMMED)
            words = f"the mean {metric} {_stretch(i)}"
            yield Feature(name=f"level {i}", words=words, kind="level", column=column, logs=logs)
    halves = (("early", "first", values[:, : n // 2]), ("late", "second", values[:, n // 2 :]))
    for name, order, half in halves:
        moves = trimmed_mean(np.abs(np.diff(half, axis=1)), low=0.0, high=MOVES_TRIMMED)
        words = f"the step-to-step noise of {metric} in the {order} half"
        column = np.log(np.maximum(moves, STILL))
        yield Feature(name=f"{name} noise", words=words, kind="noise", column=column, logs=True)


def words_of(name: str) -> str:
    """What a feature's name says, in words; empty for what is no such name.

    >>> words_of("loss: level 5"), words_of("loss: late noise")
    ('the mean loss of the last 35 % of steps', 'the step-to-step noise of loss in the second half')
    """
    metric, _, rest = name.rpartition(": ")
    kind, _, number = rest.partition(" ")
    if not metric:
        return ""
    if kind == "level" and number.isdecimal() and 0 < int(number) < len(STRETCHES):
        return f"the mean {metric} {_stretch(int(number))}"
    half = {"early": "first", "late": "second"}.get(kind)
    if half and number == "noise":
        return f"the step-to-step noise of {metric} in the {half} half"
    if rest in {"first", "last"}:
        return f"the {rest} {metric}"
    return f"{metric} {number}" if kind == "schedule" else ""


def _stretch(i: int) -> str:
    """The i-th stretch in words, from 1."""
    start, end = (round(100 * part) for part in STRETCHES[i - 1 : i + 1])
    if i == 1:
        return f"of the first {end} % of steps"
    if i == len(STRETCHES) - 1:
        return f"of the last {end - start} % of steps"
    return f"from {start} to {end} % of the steps"


def trimmed_mean(values: Floats, *, low: float, high: float) -> Floats:
    """Means (N,) of values (N, n) without the lowest and the highest parts of each row."""
    n = values.shape[1]
    ordered = np.sort(values, axis=1)
    mean: Floats = ordered[:, int(low * n) : n - int(high * n)].mean(axis=1)
    return mean


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
