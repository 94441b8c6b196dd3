"""The picture of a comparison: both curves, their relative error, the limits, the judged window.

Colours are Okabe & Ito's (2008), which stay apart for colour-blind readers; the sides differ in
line style too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.align import Aligned
from harness.comparison import Comparison
from harness.measure import relative_error, smooth
from harness.report import figures
from harness.report.escape import figure as plain
from harness.report.tables import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE = "#0072B2"
CANDIDATE = "#D55E00"
LIMIT = "#009E73"
SMOOTHING = 5
COLUMNS = 1300
"""About as many as the picture has pixels across; more points of a line would not be seen."""


def draw(comparison: Comparison) -> Figure:
    """The figure; it belongs to no window and opens none."""
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
    sides = (
        ("baseline", BASELINE, "-", whole.baseline_series, whole.baseline_mean),
        ("candidate", CANDIDATE, "--", whole.candidate_series, whole.candidate_mean),
    )
    for name, colour, style, series, mean in sides:
        for one in series:
            axes.plot(*thinned(one.steps, one.values), color=colour, alpha=0.25, linewidth=0.8)
        runs = f"{len(series)} runs, " if len(series) > 1 else ""
        label = f"{name} ({runs}smoothed over {SMOOTHING})"
        steps, values = (
            (series[0].steps, series[0].values)
            if len(series) == 1
            else (
                whole.steps,
                mean,
            )
        )
        line = thinned(steps, smooth(values, window=SMOOTHING))
        axes.plot(*line, style, color=colour, linewidth=1.8, label=label)
    judged = comparison.aligned.steps
    axes.axvspan(judged[0], judged[-1], color="0.5", alpha=0.10, linewidth=0, label="judged steps")
    if spans_decades(whole):
        axes.set_yscale("log")
    axes.set_ylabel(plain(whole.metric))
    axes.legend(loc="upper right", frameon=False)
    axes.grid(alpha=0.3)


def _error(axes: Axes, comparison: Comparison) -> None:
    whole = comparison.whole
    raw = 100 * relative_error(whole.baseline_mean, whole.candidate_mean)
    smoothed = 100 * relative_error(
        smooth(whole.baseline_mean, window=SMOOTHING),
        smooth(whole.candidate_mean, window=SMOOTHING),
    )
    limit = _relative_limit(comparison)
    if limit is not None:
        label = f"limit ±{100 * limit:g} %"
        axes.axhspan(-100 * limit, 100 * limit, color=LIMIT, alpha=0.2, linewidth=0, label=label)
    axes.axhline(0, color="0.3", linewidth=0.8)
    each, calm = thinned(whole.steps, raw), thinned(whole.steps, smoothed)
    axes.plot(*each, color="0.5", alpha=0.45, linewidth=0.8, label="of each step")
    axes.plot(*calm, color="black", linewidth=1.5, label="of the smoothed curves")
    judged = comparison.aligned.steps
    axes.axvspan(judged[0], judged[-1], color="0.5", alpha=0.10, linewidth=0)
    axes.set_ylim(*_error_range(raw, smoothed, limit))
    axes.set_ylabel("relative error, %")
    axes.set_xlabel("optimizer step")
    axes.legend(loc="upper right", frameon=False, ncols=3)
    axes.grid(alpha=0.3)


def thinned(
    steps: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A long line by the lowest and the highest value of every stretch; a short one as it is.

    A stretch that holds NaN keeps its first: the line has a gap there.
    """
    length = -(-values.size // COLUMNS)
    if length <= 2:
        return steps, values
    whole = values.size // length * length
    stretches = values[:whole].reshape(-1, length)
    starts = np.arange(0, whole, length)
    extremes = [starts + stretches.argmin(axis=1), starts + stretches.argmax(axis=1)]
    kept = np.unique(np.concatenate([*extremes, [0], np.arange(whole, values.size)]))
    return steps[kept], values[kept]


def _relative_limit(comparison: Comparison) -> float | None:
    """The relative limit of the first rule that has one."""
    for finding in comparison.judgement.findings:
        for name in ("rtol", "margin", "mean_relative_error"):
            value = finding.limits.get(name)
            if isinstance(value, float | int):
                return float(value)
    for rule in comparison.policy.rules:
        value = rule.in_force.get("rtol", rule.in_force.get("margin"))
        if value is not None:
            return value
    return None


def _error_range(
    raw: NDArray[np.float64], smoothed: NDArray[np.float64], limit: float | None
) -> tuple[float, float]:
    """Symmetric bounds that hold the smoothed error, the limit, and all but the wildest steps."""
    finite = np.abs(raw[np.isfinite(raw)])
    calm = np.abs(smoothed[np.isfinite(smoothed)])
    sizes = [1.5 * 100 * (limit or 0.0)]
    if finite.size:
        sizes.append(float(np.percentile(finite, 95)))
    if calm.size:
        sizes.append(float(calm.max()))
    bound = 1.15 * max(sizes) or 1.0
    return -bound, bound


def spans_decades(whole: Aligned) -> bool:
    """Whether the mean curves are positive and span more than two decades: draw them by logs."""
    values = np.concatenate([whole.baseline_mean, whole.candidate_mean])
    positive = values[np.isfinite(values)]
    if positive.size == 0 or positive.min() <= 0:
        return False
    return float(positive.max() / positive.min()) > 100
