"""The envelope of rounding: how far healthy runs of the same start drift apart, step by step.

Near its start, a training carries a small deviation forward almost linearly: the deviation of the
weights after step t is J(t) times that before it, plus the rounding errors of the step. A logged
figure then deviates by a sum of very many small contributions. It is about normal around 0, with a
spread s(t) that grows in the same way in every healthy run. With b the baseline, p_k its K
perturbed runs and x_k = p_k / b - 1,

    s(t)^2 = 1/K sum_k x_k(t)^2
    limit(t) = max(q KERNELS sqrt(max_{u <= t} s(u)^2 + ULP^2), min(TIE GROWTH^t, MOST)) + h(t)

For a healthy candidate x(t) / s(t) follows Student's t with K degrees of freedom; q is its
two-sided quantile at level / looks (Bonferroni over all steps and series). h(t) is what the digits
of the log hide. The running maximum replaces steps at which all runs cross the baseline by chance.

The normal model misses rare jumps: a rounding that decides a tie (the sign of an activation, the
largest of a pooling window) moves a gradient by a finite amount. A candidate may be the only run
that meets one, so the limit is never below that of such a jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.align.auxiliary import is_schedule
from harness.align.start import StartSeries
from harness.log.arrays import Floats

KERNELS = 2.0
"""How much larger the rounding errors of other kernels may be than those of the perturbed runs."""
ULP = 2.0**-23
"""A float32 number and the next one differ by this fraction at most."""
FIRST = {"float32": 1e-5, "amp-float16": 1e-3, "amp-bfloat16": 5e-3}
"""Limit at the first step, by precision, where no perturbed run shows the rounding: 1e-5 is the
limit of first-step checks in use, the others are the rounding errors of the formats, rounded up."""
COARSEST = max(FIRST.values())
"""The limit at the first step for a precision that is unknown."""
TIE = 1e-5
"""Deviation of the loss that a tie decided by rounding may cause, at the first step."""
GROWTH = 2.0
"""Growth of both from step to step."""
MOST = 0.05
"""The largest deviation that a tie explains at any step."""
NORMS = 100.0
"""How much more such a tie may move a norm than the loss. TIE, GROWTH and NORMS were chosen on 127
benign runs of seeds 7, 11 to 13 and 21 to 32; `docs/explanation/same-start.md` has the error rates
on other seeds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelope:
    """The largest deviation (n,) of a healthy run, a fraction of the baseline, for one series.

    `scale` (n,) is what a deviation is a fraction of. `runs` is the number K of perturbed runs; 0
    means that the limit comes from the precision alone.
    """

    limit: Floats
    scale: Floats
    runs: int


def envelope(series: StartSeries, *, precision: str, same: bool, quantile: float) -> Envelope:
    """Returns the envelope of a series.

    `precision` is the candidate's. `same` is true if perturbed runs have it. `quantile` is q.
    """
    scale = _scale(series.baseline)
    benign = np.concatenate([deviation(series.ours, series.baseline, scale), _of_theirs(series)])
    hidden = 2 * series.printed / scale
    grown = GROWTH ** np.arange(series.steps.size)
    if is_schedule(series.name):
        grown = np.zeros(series.steps.size)  # no rounding of the network moves a schedule
    elif "norm" in series.name.lower():
        grown = NORMS * grown
    by_precision = np.maximum(FIRST.get(precision, COARSEST) * grown, ULP)
    if not benign.shape[0]:
        return Envelope(limit=by_precision + hidden, scale=scale, runs=0)
    spread = np.maximum.accumulate(np.sqrt(_mean_square(benign)))
    limit = np.maximum(quantile * KERNELS * np.hypot(spread, ULP), np.minimum(TIE * grown, MOST))
    if not same:
        limit = np.maximum(limit, by_precision)
    return Envelope(limit=limit + hidden, scale=scale, runs=benign.shape[0])


def _mean_square(benign: Floats) -> Floats:
    """Returns the mean square (n,) of the deviations (K, n) without NaN; 0 where all are NaN."""
    known = ~np.isnan(benign)
    squares = np.where(known, benign, 0.0) ** 2
    mean: Floats = squares.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def deviation(curves: Floats, baseline: Floats, scale: Floats) -> Floats:
    """Returns the signed deviations (N, n) of curves (N, n) from a baseline (n,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart: Floats = (curves - baseline) / scale
    return apart


def quantile_of(level: float, looks: int, runs: int) -> float:
    """Returns the two-sided quantile of Student's t with `runs` degrees of freedom.

    `level` is shared among `looks` comparisons.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  (few commands need it)

    return -float(stdtrit(runs, level / looks / 2)) if runs else math.inf


def tail(size: float, looks: int, runs: int) -> float:
    """Returns the probability that the largest of `looks` deviations reaches a size.

    The size is in units of KERNELS times the spread. The probability is Bonferroni's bound.
    """
    from scipy.special import stdtr  # noqa: PLC0415

    return min(1.0, looks * 2 * float(stdtr(runs, -size)))


def _of_theirs(series: StartSeries) -> Floats:
    """Returns the deviations (L, n) of the candidate's perturbed runs from its first run."""
    own = series.candidate[0]
    return deviation(series.theirs, own, _scale(own))


def _scale(baseline: Floats) -> Floats:
    """Returns the size of the baseline (n,), kept away from zero."""
    size = np.abs(baseline)
    finite = size[np.isfinite(size) & (size > 0)]
    typical = float(np.median(finite)) if finite.size else 1.0
    kept: Floats = np.maximum(size, 1e-3 * typical)
    return kept
