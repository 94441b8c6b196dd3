"""Rows of MLflow -> runs: what its columns, tags and states mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.log.fact_table import aliases
from harness.log.facts import FactValue
from harness.log.run import Run
from harness.log.wording import counted
from harness.parse.blocks.arguments import argument_value, fits
from harness.trackers.gathering import Metric, Stored
from harness.trackers.publish import PREFIX

Point = tuple[int, int, float]
"""Time in ms, step, value."""
FINISHED = "FINISHED"
SYSTEM = "system/"
"""Begins the names of the metrics of the machine, which count samples and no steps."""
LARGEST = 1.7976931348623157e308
"""MLflow's databases hold infinity as the largest float."""
_STATES: Mapping[str, str] = {
    "RUNNING": "is still running, or ended without a word",
    "FAILED": "failed",
    "KILLED": "was killed",
    "SCHEDULED": "has not begun",
}
_AUTOLOGGED = aliases("mlflow")
_COMMIT = "mlflow.source.git.commit"
_NAME = "mlflow.runName"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment; `id` is a text of digits."""

    id: str
    name: str
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run without its points. `start` is in ms, 0 if it is unknown.

    `metrics` are the names of its metrics if the store lists them with the run, `folder` its
    folder in a store of files.
    """

    id: str
    name: str
    status: str
    start: int
    deleted: bool
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[str, ...] = ()
    folder: str = ""


def name_of(name: str | None, tags: Mapping[str, str]) -> str:
    """Returns the name of a run, which older versions keep in a tag alone."""
    return name or tags.get(_NAME, "")


def value_of(value: float | None, *, is_nan: bool) -> float:
    """Returns the value of a point from its columns in a database.

    NaN is stored as 0 with `is_nan`, and infinity as the largest float.

    >>> value_of(0.0, is_nan=True), value_of(-1.7976931348623157e308, is_nan=False)
    (nan, -inf)
    """
    if is_nan or value is None:
        return float("nan")
    if abs(value) >= LARGEST:
        return float("inf") if value > 0 else -float("inf")
    return float(value)


def point_of(time: Any, step: Any, value: float) -> Point:
    """Returns a point whose time and step fit into 64 bits.

    Raises:
        TypeError, ValueError, OverflowError: they are no whole numbers, or do not fit.
    """
    point = int(time), int(step), value
    if max(abs(point[0]), abs(point[1])) >= 1 << 63:
        msg = f"{max(point[:2])} has more than 64 bits"
        raise ValueError(msg)
    return point


def is_left_out(name: str) -> bool:
    """Returns whether a metric is of the machine, or of a verdict."""
    return name.startswith((SYSTEM, PREFIX))


def metric_of(points: Sequence[Point]) -> Metric:
    """Returns the points of a metric, n >= 1, in their order.

    `log_metric` without a step writes step 0: several points that are all there have no steps.
    """
    times, steps, values = zip(*points, strict=True)
    at = np.array(steps, dtype=np.int64)
    return Metric(
        times=np.array(times, dtype=np.int64),
        steps=at,
        values=np.array(values, dtype=np.float64),
        without_steps=at.size > 1 and not at.any(),
    )


def stored(row: Row, points: Mapping[str, Sequence[Point]]) -> Stored:
    """Returns a run for the rules of logs, without figures of the machine and of verdicts."""
    kept = {name: p for name, p in points.items() if p and not is_left_out(name)}
    system = sorted(name for name in points if name.startswith(SYSTEM))
    notes = []
    if system:
        notes.append(f"left out: {counted(len(system), 'metric')} of the machine ({SYSTEM}...)")
    return Stored(
        metrics={name: metric_of(kept[name]) for name in sorted(kept)},
        settings=row.params,
        facts=_facts(row),
        notes=notes,
        unfinished=state_of(row),
    )


def _facts(row: Row) -> dict[str, FactValue]:
    """Returns the commit, and the settings of the optimizer under the names of MLflow's autolog."""
    commit = row.tags.get(_COMMIT)
    facts: dict[str, FactValue] = {"model_code": commit} if commit else {}
    for name, fact in _AUTOLOGGED.items():
        value = argument_value(row.params[name]) if row.params.get(name) else None
        if value is not None and fits(fact, value):
            facts[fact] = value
    return facts


def state_of(row: Row) -> str:
    """Returns why a run may not be whole; empty if MLflow says that it finished."""
    if row.status == FINISHED:
        return ""
    return f"MLflow says that it {_STATES.get(row.status, f'has the state {row.status!r:.20}')}"


def without_points(runs: Sequence[Run], empty: Iterable[Row]) -> tuple[Run, ...]:
    """Returns the runs with a note on those that were left out because they have no metric."""
    left = [row for row in empty if f"{PREFIX}verdict" not in row.tags]  # a verdict is no training
    names = [f"{row.name or row.id} ({row.status.lower()})" for row in left]
    if not names:
        return tuple(runs)
    more = f", and {len(names) - 5} more" if len(names) > 5 else ""
    text = f"left out, without a metric of a training: {', '.join(names[:5])}{more}"
    return tuple(replace(run, notes=(*run.notes, text)) for run in runs)
