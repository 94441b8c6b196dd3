"""Records that are counted in the order of printing, because their log states no step.

Equal positions are equal steps only if both sides print at the same interval and lose no line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.run import Run, Series
from harness.quality.completeness import WHOLE, listed

BY_ORDER = "positions are by order of printing"
"""What a verdict on such records says first."""
EPOCH_PRINTED = 0.011
"""Epochs are printed with two decimals."""
INTERVALS = frozenset(
    {"logging_steps", "log_interval", "log_freq", "log_every", "log_iter", "log_steps"}
    | {"logging_interval", "log_every_n_steps", "print_freq", "print_every", "print_interval"}
    | {"print_step", "disp_freq", "display"}
)
"""Last parts of the names of settings that state the logging interval."""
ADVICE = "log the step beside the loss, or print at one interval and say which"


def unplaced(baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned) -> tuple[str, ...]:
    """Returns why the records of the two sides may not belong to the same steps; mostly nothing.

    They do where every run is counted in order, prints about as many records, states the same
    interval if any, and the same epochs beside the records, if any.
    """
    runs = (*baseline, *candidate)
    sources = _counted(runs, judged)
    if not sources:
        return ()
    head = _head(sources)
    if len(sources) < len(runs):
        return (f"{head}, and those of the others are not: {ADVICE}",)
    sizes = _sizes(judged)
    if min(sizes) < WHOLE * max(sizes):
        return (f"{head}, and the logs hold different numbers of them ({_said(runs, sizes)}): "
                f"{ADVICE}",)  # fmt: skip
    intervals = list(dict.fromkeys(found for run in runs for found in _intervals(run)))
    if len({value for _, value in intervals}) > 1:
        said = listed(f"{name} {value}" for name, value in intervals)
        return (f"{head}, and the settings state different intervals ({said}): {ADVICE}",)
    epochs = [_values_at(run.epochs, judged.steps) for run in runs]
    known = [values for values in epochs if values is not None]
    if known and not all(np.allclose(v, known[0], rtol=0.05, atol=EPOCH_PRINTED) for v in known):
        return (f"{head}, and the epochs beside them differ from run to run: {ADVICE}",)
    return ()


def uneven(baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned) -> tuple[str, ...]:
    """Returns why the positions carry no pass: the sides print different numbers of records."""
    runs = (*baseline, *candidate)
    sizes = _sizes(judged)
    if min(sizes) == max(sizes) or not _counted(runs, judged):
        return ()
    return (
        f"{_head(_counted(runs, judged))}, and the logs hold different numbers of them "
        f"({_said(runs, sizes)}): a lost line shifts those behind it; {ADVICE}",
    )


def _counted(runs: Sequence[Run], judged: Aligned) -> list[str]:
    return [run.source for run in runs if judged.metric in run.by_order]


def _head(sources: Sequence[str]) -> str:
    return f"{listed(sources)} states no steps, so its records are counted in the order of printing"


def _sizes(judged: Aligned) -> list[int]:
    return [len(s) for s in (*judged.baseline_series, *judged.candidate_series)]


def _said(runs: Sequence[Run], sizes: Sequence[int]) -> str:
    return listed(f"{n} of {run.source}" for n, run in zip(sizes, runs, strict=True))


def _intervals(run: Run) -> Iterator[tuple[str, str]]:
    """The settings of a run that state how often it logs, with their values."""
    for name, value in run.facts.items():
        last = name.rpartition(".")[2]
        if last in INTERVALS:
            yield last, str(value)


def _values_at(series: Series | None, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """The values of a series on these steps (n,); None where it lacks one."""
    if series is None or not np.isin(steps, series.steps).all():
        return None
    return series.values[np.searchsorted(series.steps, steps)]
