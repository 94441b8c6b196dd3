"""Rows of a tracker, each a step and named values of JSON -> the points of each metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan

import numpy as np

from harness.log.wording import counted
from harness.parse.number import json_number, number
from harness.parse.tokens import instead, is_spelled
from harness.trackers.gathering import Metric

GLOBAL_STEPS = ("train/global_step", "trainer/global_step", "global_step")
"""Metrics that state the optimizer step, where the tracker's own step counts the calls."""


class Rows:
    """Gathers rows in the order of logging.

    A step under one of the names `global_steps` replaces that of the tracker; a later row of such a
    run that states none belongs to the last step that was stated.
    """

    def __init__(self, *, global_steps: Sequence[str] = GLOBAL_STEPS) -> None:
        self._global_steps = global_steps
        self._points: dict[str, list[tuple[int, int, float]]] = {}
        self._others: list[tuple[int, int, str, object]] = []
        self._stated: tuple[str, int] | None = None
        self._missing: Counter[str] = Counter()
        self._texts: Counter[str] = Counter()

    def add(self, at: int, step: int, values: Mapping[str, object]) -> None:
        """Takes a row; `at` counts the rows, and `values` may hold anything that JSON holds."""
        step = self._step(step, values)
        for name, value in _folded(values):
            found = as_number(value)
            if found is None:
                self._others.append((at, step, name, value))
            else:
                self._points.setdefault(name, []).append((at, step, found))

    def _step(self, step: int, values: Mapping[str, object]) -> int:
        for name in self._global_steps:
            stated = values.get(name)
            if isinstance(stated, int | float) and float(stated).is_integer() and stated >= 0:
                self._stated = name, int(stated)
                return int(stated)
        return step if self._stated is None else self._stated[1]

    def metrics(self) -> dict[str, Metric]:
        """Returns the points of each metric.

        Among its numbers, the text of a number is that number, and what is no number is NaN.
        """
        metrics = set(self._points)
        for at, step, name, value in self._others:
            if name in metrics and (value is None or isinstance(value, str)):
                self._add_text(at, step, name, value)
        self._others.clear()
        return {name: _metric(points) for name, points in self._points.items()}

    def _add_text(self, at: int, step: int, name: str, value: str | None) -> None:
        spelled = None if value is None else number(value)
        read = nan if value is None else instead(value)
        if spelled is not None:
            self._points[name].append((at, step, spelled))
            self._texts[name] += 1
        elif read is not None:
            self._points[name].append((at, step, read))
            self._missing[name] += 1

    def notes(self) -> tuple[str, ...]:
        """Returns remarks on what was read in another way than it was stored; call it last."""
        remarks = [
            f"{name} has {counted(n, 'value')} without a number, read as NaN"
            for name, n in self._missing.items()
        ]
        remarks += [as_text(name, n) for name, n in self._texts.items()]
        if self._stated is not None:
            remarks.insert(0, f"steps are those of {self._stated[0]}")
        return tuple(remarks)


def as_text(name: str, count: int) -> str:
    """Returns the remark on values of a metric that are texts of numbers."""
    return f"{name} has {counted(count, 'value')} logged as text, read as numbers"


def as_number(value: object) -> float | None:
    """Returns the number that a value of JSON is; trackers write NaN and infinity as text.

    >>> as_number(0.5), as_number("-Infinity"), as_number(True), as_number("0.5"), as_number(None)
    (0.5, -inf, 1.0, None, None)
    """
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return instead(value) if is_spelled(value) else None
    return json_number(value)


def _folded(values: Mapping[str, object]) -> list[tuple[str, object]]:
    """Returns the values by name, those of an inner object as `outer/inner`; no media."""
    folded: list[tuple[str, object]] = []
    for name, value in values.items():
        if not isinstance(value, Mapping):
            folded.append((name, value))
        elif "_type" not in value:
            folded += [(f"{name}/{inner}", item) for inner, item in value.items()]
    return folded


def _metric(points: list[tuple[int, int, float]]) -> Metric:
    points = sorted(points, key=lambda point: point[0])
    at, steps, values = zip(*points, strict=True)
    return Metric(
        times=np.array(at, dtype=np.int64),
        steps=np.array(steps, dtype=np.int64),
        values=np.array(values, dtype=np.float64),
    )


def points_of(
    points: Iterable[tuple[str, int, object]], note: Callable[[str], None]
) -> dict[str, Metric]:
    """Returns the metrics of single points, each a name, a step and a value, in their order."""
    rows = Rows(global_steps=())
    for at, (name, step, value) in enumerate(points):
        rows.add(at, step, {name: value})
    metrics = rows.metrics()
    for remark in rows.notes():
        note(remark)
    return metrics
