"""The printed lines and the picture of the published `loss.py`, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.align.measure import smooth
from harness.log.run import Series
from harness.report import figures
from harness.rules.modelzoo import ABSOLUTE, RELATIVE, Published

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines(result: Published) -> tuple[str, ...]:
    """Returns the four printed lines, with floats as in numpy's repr."""
    relative, absolute = result.relative, result.absolute
    smaller = (
        f"mean_relative_error {relative!r}"
        if relative < absolute
        else f"mean_absolute_error {absolute!r}"
    )
    word = "pass" if result.passes else "fail"
    return (
        f"MeanRelativeError: {relative!r}",
        f"MeanAbsoluteError: {absolute!r}",
        f"Rule,{smaller}",
        f"{word} mean_relative_error=np.float64({relative!r}) <= {RELATIVE} or "
        f"mean_absolute_error=np.float64({absolute!r}) <= {ABSOLUTE}",
    )


def plot(cuda: Series, sdaa: Series, path: Path) -> None:
    """Draws both curves, cut to the shorter and smoothed by the filter of `measure.smooth`."""
    with figures.own_style():
        figures.save(_drawn(cuda, sdaa), path, dpi=120)


def _drawn(cuda: Series, sdaa: Series) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  (half a second, only plots need it)

    size = min(len(cuda), len(sdaa))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(smooth(sdaa.values[:size]), label="sdaa_loss", color="#D55E00")
    axes.plot(smooth(cuda.values[:size]), label="cuda_loss", color="#0072B2")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
