"""A run of Weights & Biases: where the points of its metrics belong.

define_metric("val/*", step_metric="val/step")     val/miou is placed by val/step
{"trainer/global_step": 50, "loss": 0.5}           loss is placed by that counter
{"loss": 0.5}                                      loss is placed by `_step`, which counts log calls
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import NDArray

from harness.log.facts import FactValue
from harness.log.wording import counted
from harness.parse.names import STEPS, holds_figures
from harness.parse.number import MAX_COUNT
from harness.trackers.gathering import Metric, Stored
from harness.trackers.values import as_text
from harness.trackers.wandb_records import STEP, Content, Spelled, axis_of, flat

COUNTERS = STEPS[: STEPS.index(STEP)]
"""Names of metrics that count optimizer steps, where `define_metric` states no axis."""
_INTERNAL = "_"
"""Names of W&B's own metrics begin so: `_runtime`."""


def stored(content: Content, *, notes: Sequence[str] = ()) -> Stored:
    """Returns what the records of a run say."""
    columns = _columns(content)
    held = {column.axis for column in columns.values()}
    remarks: dict[str, None] = {}
    metrics = {}
    for name, column in columns.items():
        if name in held or name.startswith(_INTERNAL) or not holds_figures(name):
            continue
        if all(value is None or isinstance(value, Spelled) for value in column.values):
            continue  # a word, a path that was not known yet, or a version
        metrics[name], remark = _metric(name, column)
        remarks |= dict.fromkeys([*([remark] if remark else []), *_unusual(name, column)])
    if content.unread:
        remarks[f"{counted(content.unread, 'damaged record')} could not be read"] = None
    return Stored(
        metrics=metrics,
        settings=flat(content.config),
        facts=_facts(content),
        notes=(*notes, *remarks),
        unfinished=_unfinished(content),
    )


@dataclass(slots=True)
class _Column:
    """The points of a metric: rows, their steps, values, and the values of the axis at them."""

    axis: str
    times: array[int] = field(default_factory=lambda: array("q"))
    steps: array[int] = field(default_factory=lambda: array("q"))
    values: list[float | None] = field(default_factory=list)
    places: array[float] = field(default_factory=lambda: array("d"))


def _columns(content: Content) -> dict[str, _Column]:
    """The metrics of a run by name, in one pass over its rows."""
    names = dict.fromkeys(name for _, row in content.rows for name in row)
    counter = next((name for name in COUNTERS if name in names), "")
    columns = {name: _Column(axis_of(name, content) or counter) for name in names}
    last = dict.fromkeys((column.axis for column in columns.values()), nan)
    for time, (step, row) in enumerate(content.rows):
        for axis in last.keys() & row.keys():
            value = row[axis]
            last[axis] = nan if value is None else value
        for name, value in row.items():
            column = columns[name]
            column.times.append(time)
            column.steps.append(max(-1, min(step, MAX_COUNT)))
            column.values.append(value)
            column.places.append(last[column.axis])
    return columns


def _unusual(name: str, column: _Column) -> list[str]:
    """Remarks on values that were not logged as numbers."""
    missing = sum(value is None for value in column.values)
    texts = sum(isinstance(value, Spelled) for value in column.values)
    found = [f"{name} has {counted(missing, 'value')} without a number, read as NaN"]
    return found[: bool(missing)] + ([as_text(name, texts)] if texts else [])


def _metric(name: str, column: _Column) -> tuple[Metric, str]:
    """The points of a metric, and a remark on where they are."""
    steps, remark = np.asarray(column.steps, dtype=np.int64), ""
    if column.axis and column.axis != STEP:
        on_axis = _steps(np.asarray(column.places))
        if on_axis is not None:
            steps, remark = on_axis, f"points are placed by the step metric {column.axis!r:.80}"
        else:
            remark = (
                f"{name}: {column.axis!r:.80} does not count steps there, so its points are placed "
                f"by `{STEP}`, the number of the log call"
            )
    values = np.asarray([nan if value is None else value for value in column.values])
    return Metric(times=np.asarray(column.times), steps=steps, values=values), remark


def _steps(places: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """The values of an axis (n,) as steps; None if they are no counter.

    An epoch, which stays the same for many points, would put all of them on one step.
    """
    whole = np.isfinite(places) & (places == np.floor(places)) & (places >= 0)
    if not (whole & (places <= MAX_COUNT)).all():
        return None
    same = np.count_nonzero(places[1:] == places[:-1])
    return None if 2 * same > places.size else places.astype(np.int64)


def _facts(content: Content) -> dict[str, FactValue]:
    stated = {"device_name": content.gpu, "python": content.python.removeprefix("CPython ")}
    return {name: value for name, value in stated.items() if value}


def _unfinished(content: Content) -> str:
    if content.preempted and content.ended != 0:
        return "W&B says that the run was preempted"
    if content.ended is None:
        return "W&B's log has no end of the run: it is still running, or it was killed"
    if content.ended:
        return f"W&B says that the run failed with exit status {content.ended}"
    return ""
