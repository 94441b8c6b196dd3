"""Errors of two aligned curves: `candidate - baseline`, signed; relative errors are fractions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors over one window of steps, `first_step` to `last_step`, both included.

    `relative` and `absolute` are means of the signed errors, `abs_relative` and `abs_absolute`
    means of their sizes. A relative error divides by the size of the baseline's value. NaN and
    infinity propagate: a figure that is not finite means that the window contains such a value or a
    baseline of zero.
    """

    name: str
    first_step: int
    last_step: int
    count: int
    relative: float
    abs_relative: float
    absolute: float
    abs_absolute: float
    rmse: float
    max_absolute: float
    max_absolute_step: int
    max_relative: float
    max_relative_step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The differences of two aligned curves: overall, by windows, and at the first step."""

    overall: Errors
    windows: tuple[Errors, ...]
    first_step_relative: float
    nonfinite_baseline: int
    nonfinite_candidate: int


def figure_of_runs(curves: Floats) -> Floats:
    """Returns the figure of each run (R,), the mean of its curve (R, n) over the judged steps.

    A proposed gate and the rule that judges it share this reduction.
    """
    with np.errstate(all="ignore"):
        figures: Floats = curves.mean(axis=1)
    return figures


def measure(aligned: Aligned, *, last: int = 50) -> Measures:
    """Returns the errors of the mean curves: overall, in thirds, and in the last `last` steps.

    A third without a step (fewer than three common steps) is left out.
    """
    steps, baseline, candidate = aligned.steps, aligned.baseline_mean, aligned.candidate_mean
    n = steps.size
    cuts = [*thirds(n).items(), (f"last {min(last, n)}", slice(max(0, n - last), n))]
    windows = [errors(name, steps[cut], baseline[cut], candidate[cut]) for name, cut in cuts]
    overall = errors("overall", steps, baseline, candidate)
    return Measures(
        overall=overall,
        windows=tuple(windows),
        first_step_relative=float(relative_error(baseline[:1], candidate[:1])[0]),
        nonfinite_baseline=int(np.count_nonzero(~np.isfinite(aligned.baseline).all(axis=0))),
        nonfinite_candidate=int(np.count_nonzero(~np.isfinite(aligned.candidate).all(axis=0))),
    )


def relative_error(baseline: Floats, candidate: Floats) -> Floats:
    """Returns the signed errors (n,), (candidate - baseline) / |baseline|; 0/0 is NaN, x/0 inf."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative: Floats = (candidate - baseline) / np.abs(baseline)
    return relative


def relative_difference(baseline: Floats, candidate: Floats) -> float:
    """Returns the difference of two curves' mean levels, (n,) and (m,), over the baseline's.

    Positive if the candidate is higher, also for negative values. 0/0 is NaN, x/0 inf.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        base, cand = baseline.mean(), candidate.mean()
        return float((cand - base) / np.abs(base))


def thirds(count: int) -> dict[str, slice]:
    """Returns the thirds of `count` steps by name, without empty thirds.

    >>> thirds(4)["last third"], len(thirds(2))
    (slice(2, 4, None), 2)
    """
    cuts = (0, count // 3, 2 * count // 3, count)
    names = ("first third", "middle third", "last third")
    parts = zip(names, cuts[:-1], cuts[1:], strict=True)
    return {name: slice(start, stop) for name, start, stop in parts if stop > start}


def errors(name: str, steps: NDArray[np.int64], baseline: Floats, candidate: Floats) -> Errors:
    """Returns the errors of one window; all arrays have shape (n,), n >= 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = candidate - baseline
        relative = relative_error(baseline, candidate)
        worst, worst_relative = _argmax(np.abs(error)), _argmax(np.abs(relative))
        return Errors(
            name=name,
            first_step=int(steps[0]),
            last_step=int(steps[-1]),
            count=int(steps.size),
            relative=float(relative.mean()),
            abs_relative=float(np.abs(relative).mean()),
            absolute=float(error.mean()),
            abs_absolute=float(np.abs(error).mean()),
            rmse=float(np.sqrt(np.mean(error**2))),
            max_absolute=float(np.abs(error[worst])),
            max_absolute_step=int(steps[worst]),
            max_relative=float(np.abs(relative[worst_relative])),
            max_relative_step=int(steps[worst_relative]),
        )


def _argmax(sizes: Floats) -> int:
    """Returns the place of the first NaN, or of the largest size if there is no NaN."""
    bad = np.flatnonzero(np.isnan(sizes))
    return int(bad[0]) if bad.size else int(np.argmax(sizes))


def smooth(values: Floats, *, window: int = 5, order: int = 1) -> Floats:
    """Returns values (n,) smoothed by Savitzky and Golay's filter, with the model zoos' defaults.

    With order 1 this is a moving average whose ends are fitted by a line (Savitzky & Golay 1964,
    scipy's `mode='interp'`). Fewer values than the window are returned unchanged. So are values
    that are not all finite: smoothing would spread NaN over its neighbours.
    """
    if values.size < window or not np.isfinite(values).all():
        return values
    from scipy.signal import savgol_filter  # noqa: PLC0415  (a third of a second to import)

    smoothed: Floats = np.asarray(savgol_filter(values, window, order), dtype=np.float64)
    return smoothed
