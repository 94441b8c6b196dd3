"""The features of training curves: a few numbers that differ little between seeds.

A measured series has as features its first record and its level in five stretches, which grow
longer as training slows down. The judged series also has its step-to-step noise in each half,
unless the two sides logged it from different ranks, whose values are means over other batches.
Levels and noise are trimmed means, so that a few unusual steps do not count as another seed. A
positive series, such as a loss or a norm, enters by its logarithm, so that differences are
relative; another series is divided by its largest size in the baseline. A series that is equal in
all baseline runs, such as a schedule, has one feature: the record at which the candidate is
farthest from it.

Shapes: N runs, the first B of them the baseline's; n records; F features.
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
from harness.log.arrays import Floats
from harness.stats.tails import tail_degrees

Kind = Literal["first", "level", "noise", "last", "schedule"]

STRETCHES = (0.0, 0.05, 0.15, 0.35, 0.65, 1.0)
"""Bounds of the stretches, as fractions of the common records."""
TRIMMED = 0.1
"""Fraction of a stretch's records that its level leaves out at each end."""
MOVES_TRIMMED = 0.2
"""Fraction of the step-to-step changes, the largest, that a noise feature leaves out."""
FEW = 20
"""Number of records below which a series, such as validation, has only its last value."""
EQUAL = 1e-6
"""Relative difference below which values are equal: devices round differently."""
PRINTED = 1e-3
"""Relative difference below which schedules are equal: logs print them with few digits."""
STILL = 1e-9
"""Relative size below which step-to-step changes are rounding."""
RESULTS = "val."
"""Prefix of validation results."""
HUGE = 1e150
"""Values are clipped to this multiple of the baseline's size, so that their squares are finite."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """One number per run: `column` (N,), NaN for a run that does not log the series.

    Differences are relative: of logarithms if `logs`, otherwise fractions of the baseline's size.
    `name` is for programs, `words` for readers: "the last val.mIoU". `tail` holds the degrees of
    freedom of the Student's t that has the tails of a single record; infinite for a mean, whose
    tails are light. `result` marks an end result: the last level of the judged series, or a last
    validation result.
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
        """Whether the feature is a schedule, which does not depend on the seed."""
        return self.kind == "schedule"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """The features of both sides: `baseline` (B, F) and `candidate` (C, F) in their order."""

    features: tuple[Feature, ...]
    baseline: Floats
    candidate: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(feature.name for feature in self.features)

    @property
    def logs(self) -> NDArray[np.bool_]:
        """Flags (F,) of the features that are logarithms."""
        return np.array([feature.logs for feature in self.features])

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Flags (F,) of the features that are schedules."""
        return np.array([feature.exact for feature in self.features])

    @property
    def tails(self) -> Floats:
        """The degrees of freedom (F,) that the features' tails allow."""
        return np.array([feature.tail for feature in self.features])

    @property
    def ends(self) -> tuple[int, ...]:
        """The columns of the end results."""
        return tuple(i for i, feature in enumerate(self.features) if feature.result)


def signature(aligned: Aligned) -> Signature:
    """Returns the features of the judged series, validation, schedules and auxiliary series.

    The judged values must be finite. In another series, a row of only NaN is a run that does not
    log it. A record that is not finite in any run that logs the series is left out; so is a series
    without records or without runs on either side.
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
    more = [_as_result(f) for other in others for f in _features(other) if f.kind != "noise"]
    every = (*judged, *more)
    together = np.column_stack([feature.column for feature in every])
    b = aligned.baseline.shape[0]
    return Signature(features=every, baseline=together[:b], candidate=together[b:])


def _as_result(feature: Feature) -> Feature:
    """Returns the feature, marked as an end result if it is a last validation result."""
    validation = feature.name.startswith(RESULTS) and not feature.exact
    return replace(feature, result=True) if validation else feature


def _features(curves: Curves) -> Iterator[Feature]:
    """Yields the features of one series."""
    values = np.vstack([curves.baseline, curves.candidate])
    runs = curves.baseline.shape[0]
    logged = np.asarray(~np.isnan(values).all(axis=1), dtype=np.bool_)
    b = int(np.count_nonzero(logged[:runs]))
    finite = np.asarray(np.isfinite(values[logged]).all(axis=0), dtype=np.bool_)
    if not (b and logged[runs:].any() and finite.any()):
        return
    rows = values[np.ix_(logged, finite)]
    for feature in _of_rows(curves.metric, rows, curves.steps[finite], b):
        column = np.full(values.shape[0], np.nan)
        column[logged] = feature.column
        yield replace(feature, name=f"{curves.metric}: {feature.name}", column=column)


def _of_rows(metric: str, values: Floats, steps: NDArray[np.int64], b: int) -> Iterator[Feature]:
    """Yields the features of finite values (N, n), whose first `b` rows are the baseline's."""
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
    """Yields the levels and noise of a series from values (N, n), scaled or logarithms."""
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
        if end > max(start, 1):  # the first record is a feature already
            column = trimmed_mean(values[:, max(start, 1) : end], low=TRIMMED, high=TRIMMED)
            words = f"the mean {metric} {_stretch(i)}"
            yield Feature(name=f"level {i}", words=words, kind="level", column=column, logs=logs)
    halves = (("early", "first", values[:, : n // 2]), ("late", "second", values[:, n // 2 :]))
    for name, order, half in halves:
        moves = trimmed_mean(np.abs(np.diff(half, axis=1)), low=0.0, high=MOVES_TRIMMED)
        words = f"the step-to-step noise of {metric} in the {order} half"
        column = np.log(np.maximum(moves, STILL))  # a constant curve has no changes
        yield Feature(name=f"{name} noise", words=words, kind="noise", column=column, logs=True)


def words_of(name: str) -> str:
    """Returns the description of a feature's name for readers; empty for any other text.

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
    """Returns the description of the i-th stretch, from 1."""
    start, end = (round(100 * part) for part in STRETCHES[i - 1 : i + 1])
    if i == 1:
        return f"of the first {end} % of steps"
    if i == len(STRETCHES) - 1:
        return f"of the last {end - start} % of steps"
    return f"from {start} to {end} % of the steps"


def trimmed_mean(values: Floats, *, low: float, high: float) -> Floats:
    """Returns the means (N,) of values (N, n) without the lowest and highest parts of each row."""
    n = values.shape[1]
    ordered = np.sort(values, axis=1)
    mean: Floats = ordered[:, int(low * n) : n - int(high * n)].mean(axis=1)
    return mean


def _deviation(values: Floats, b: int) -> Floats:
    """Returns values (N, n) minus the first run's, as fractions of the size of its record.

    A record near zero, such as a learning rate that has decayed, has at least the size `EQUAL`
    times the largest.
    """
    first = values[0]
    size = np.maximum(np.abs(first), EQUAL * _size(values, b))
    halves = values / 2 - first / 2  # halved, because the difference of two floats may overflow
    return _parts(halves, np.maximum(size / 2, np.finfo(float).tiny))


def _size(values: Floats, b: int) -> float:
    """Returns the largest size in the baseline; if that is zero, in all runs; if zero again, 1."""
    return float(np.abs(values[:b]).max() or np.abs(values).max() or 1.0)


def _parts(values: Floats, size: Floats | float) -> Floats:
    """Returns values as fractions of a size, clipped to `HUGE`."""
    with np.errstate(over="ignore"):
        return np.clip(values / size, -HUGE, HUGE)
