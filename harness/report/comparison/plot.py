"""The picture of a comparison: both curves, their relative error, the limits, the judged window.

The colours are Okabe & Ito's (2008), which colour-blind readers can distinguish. The sides also
differ in line style.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.align.measure import relative_error, smooth
from harness.align.thinning import extremes
from harness.comparison.better import direction_of
from harness.comparison.pipeline import Comparison
from harness.log.wording import counted
from harness.report import figures
from harness.report.comparison.scale import error_bound, limits, smoothing, spans_decades
from harness.report.comparison.tables import headline
from harness.report.escape import figure as plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE = "#0072B2"
CANDIDATE = "#D55E00"
LIMIT = "#009E73"
SMOOTHED = "of the smoothed curves"
MARKS = {"baseline": 9.0, "candidate": 5.0}
"""Sizes of the points of curves of one step, such as a published figure; no line shows those."""
COLUMNS = 1300
"""Approximate width of the picture in pixels; more points per line would not be visible."""


def draw(comparison: Comparison) -> Figure:
    """Returns the figure, which is not attached to a window."""
    with figures.own_style():
        return _drawn(comparison)


def _drawn(comparison: Comparison) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  (half a second, only plots need it)

    figure = Figure(figsize=(9, 6.5), layout="constrained")
    loss, error = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    _curves(loss, comparison)
    _error(error, comparison)
    title = plain(f"{comparison.verdict}: {headline(comparison)}")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def save(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Writes `comparison.png` and `comparison.svg` into a folder that exists."""
    figure = draw(comparison)
    paths = (folder / "comparison.png", folder / "comparison.svg")
    for path in paths:
        figures.save(figure, path, dpi=150)
    return paths


def _curves(axes: Axes, comparison: Comparison) -> None:
    whole = comparison.whole
    window = smoothing(whole.steps.size)
    sides = (
        ("baseline", BASELINE, "-", whole.baseline_series, whole.baseline_mean),
        ("candidate", CANDIDATE, "--", whole.candidate_series, whole.candidate_mean),
    )
    for name, colour, style, series, mean in sides:
        for run in series:
            axes.plot(*_thinned(run.steps, run.values), color=colour, alpha=0.25, linewidth=0.8)
        runs = f"{counted(len(series), 'run')}, " if len(series) > 1 else ""
        steps, values = (
            (series[0].steps, series[0].values)
            if len(series) == 1
            else (
                whole.steps,
                mean,
            )
        )
        one = steps.size == 1
        shown = f"smoothed over {counted(window, 'step')}" if not one else "mean" if runs else ""
        label = f"{name} ({runs}{shown})" if shown else name
        line = _thinned(steps, smooth(values, window=window))
        axes.plot(
            *line,
            style,
            marker="o" if one else "",
            markersize=MARKS[name],
            color=colour,
            linewidth=1.8,
            label=label,
        )
    judged = comparison.aligned.steps
    axes.axvspan(judged[0], judged[-1], color="0.5", alpha=0.10, linewidth=0, label="judged steps")
    if spans_decades(whole):
        axes.set_yscale("log")
    axes.set_ylabel(plain(whole.metric))
    rises = direction_of(whole.metric) == "higher"
    axes.legend(loc="lower right" if rises else "upper right", frameon=False)
    axes.grid(alpha=0.3)


def _error(axes: Axes, comparison: Comparison) -> None:
    whole = comparison.whole
    window = smoothing(whole.steps.size)
    raw = 100 * relative_error(whole.baseline_mean, whole.candidate_mean)
    smoothed = 100 * relative_error(
        smooth(whole.baseline_mean, window=window),
        smooth(whole.candidate_mean, window=window),
    )
    drawn = limits(comparison)
    bound = error_bound(raw, smoothed, 100 * max((limit.size for limit in drawn), default=0.0))
    for limit in drawn:
        low = -bound if limit.one_sided else -100 * limit.size
        axes.axhspan(low, 100 * limit.size, color=LIMIT, alpha=0.15, linewidth=0)
        edges = [100 * limit.size] if limit.one_sided else [100 * limit.size, -100 * limit.size]
        axes.hlines(
            edges,
            0,
            1,
            colors=LIMIT,
            linewidths=1.0,
            linestyles="--",
            transform=axes.get_yaxis_transform(),
            label=plain(f"limit: {limit.text}"),
        )
    axes.axhline(0, color="0.3", linewidth=0.8)
    raw_line, smooth_line = _thinned(whole.steps, raw), _thinned(whole.steps, smoothed)
    axes.plot(*raw_line, color="0.5", alpha=0.45, linewidth=0.8, label="of each step")
    mark = "o" if whole.steps.size == 1 else ""
    axes.plot(*smooth_line, marker=mark, color="black", linewidth=1.5, label=SMOOTHED)
    judged = comparison.aligned.steps
    axes.axvspan(judged[0], judged[-1], color="0.5", alpha=0.10, linewidth=0)
    _clipped(axes, whole.steps, raw, bound)
    axes.set_ylim(-bound, bound)
    axes.set_ylabel("relative error, %")
    axes.set_xlabel("optimizer step")
    axes.legend(loc="upper right", frameon=False, ncols=3)
    axes.grid(alpha=0.3)


def _clipped(
    axes: Axes, steps: NDArray[np.int64], errors: NDArray[np.float64], bound: float
) -> None:
    """Draws a triangle at the edge for each step with an error beyond it, or an infinite error."""
    label = "beyond the scale"
    for beyond, edge, mark in ((errors > bound, bound, "^"), (errors < -bound, -bound, "v")):
        if beyond.any():
            at = np.full(np.count_nonzero(beyond), 0.96 * edge)
            axes.plot(steps[beyond], at, mark, color="0.4", markersize=4, label=label)
            label = "_"


def _thinned(
    steps: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return extremes(steps, values, most=COLUMNS)
