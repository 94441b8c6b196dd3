"""The data of the chart in the HTML report: every logged point, packed.

Evenly spaced steps are stored as start, stride and count; other steps and all values are arrays of
little-endian floats in base64. Runs are float32, whose seven digits exceed the resolution of a
chart. The mean curves are float64, because the page computes the relative error from them.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.comparison.pipeline import Comparison
from harness.log.run import Series
from harness.log.shown import shown
from harness.report.comparison.scale import limits, smoothing, spans_decades


def payload(comparison: Comparison) -> dict[str, Any]:
    """Returns the data of the chart in JSON's types."""
    whole, judged = comparison.whole, comparison.aligned.steps
    grids: list[NDArray[np.int64]] = []
    sides = {
        "baseline": [_run(series, grids) for series in whole.baseline_series],
        "candidate": [_run(series, grids) for series in whole.candidate_series],
    }
    common = {
        "grid": _grid(whole.steps, grids),
        "baseline": _pack(whole.baseline_mean, "<f8"),
        "candidate": _pack(whole.candidate_mean, "<f8"),
    }
    return {
        "metric": shown(whole.metric),
        **sides,
        "common": common,
        "grids": [_packed_steps(steps) for steps in grids],
        "judged": [int(judged[0]), int(judged[-1])],
        "part": judged.size < whole.steps.size,
        "limits": [[limit.size, limit.one_sided] for limit in limits(comparison)],
        "log": spans_decades(whole),
        "smoothing": smoothing(whole.steps.size),
    }


def _run(series: Series, grids: list[NDArray[np.int64]]) -> dict[str, Any]:
    finite = series.values[np.isfinite(series.values)]
    narrow = not finite.size or float(np.abs(finite).max()) < float(np.finfo(np.float32).max)
    return {
        "grid": _grid(series.steps, grids),
        "values": _pack(series.values, "<f4" if narrow else "<f8"),
    }


def _grid(steps: NDArray[np.int64], grids: list[NDArray[np.int64]]) -> int:
    """Returns the place of these steps among the grids; equal steps are stored once."""
    for index, known in enumerate(grids):
        if np.array_equal(known, steps):
            return index
    grids.append(steps)
    return len(grids) - 1


def _packed_steps(steps: NDArray[np.int64]) -> dict[str, Any]:
    strides = np.unique(np.diff(steps))
    if strides.size > 1:
        return _pack(steps, "<f8")
    stride = int(strides[0]) if strides.size else 1
    return {
        "start": int(steps[0]) if steps.size else 0,
        "stride": stride,
        "count": int(steps.size),
    }


def _pack(values: NDArray[Any], kind: str) -> dict[str, str]:
    data = np.ascontiguousarray(values, dtype=kind).tobytes()
    return {"type": kind[1:], "base64": base64.b64encode(data).decode("ascii")}
