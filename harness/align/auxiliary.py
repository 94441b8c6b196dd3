"""Aligns the other series of the runs: schedules, validation and auxiliary series.

Schedules (learning rate, samples seen) describe the recipe, validation the result, and auxiliary
series (parts of the loss, norms, spread over ranks) the course of the training. No rule tests the
rest: batch accuracies repeat the loss with heavier tails, and times, memory and the loss scale
depend on the device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.align.aligned import Aligned, Curves, curves
from harness.align.scale import exponent_of
from harness.errors import AlignmentError
from harness.log.arrays import Floats
from harness.log.run import Run, Series

PLANNED = frozenset({"lr", "base_lr", "samples"})
"""Series that a recipe sets, the same for every seed."""
PREFIXES = ("val.",)
RESOURCES = re.compile(
    r"(?:^|[^a-z])(?:times?|timestamp|seconds?|secs?|ms|runtime|elapsed|eta|epochs?|iter|"
    r"per_(?:second|sec|step|token|device|gpu|rank)|throughput|speed|fps|ips|tps|tgs|qps|mfu|"
    r"t?flops|mem|memory|alloc\w*|reserved|gpu|cpu|util\w*|(?:loss|grad)[_ ]scaler?|overflow|"
    r"skipped|pid)"
    r"(?:[^a-z]|$)|(?:_time|_ms|_sec|/s)$|tokens?_per|samples?_per|steps?_per",
    re.IGNORECASE,
)
"""Names of times, speeds, memory and bookkeeping."""
_PLAN = re.compile(
    r"(?:^|.*[/_. -])(?:(?:base_)?lr|learning[_ ]rate|wd|weight[_ ]decay|momentum|batch[_ ]size|"
    r"(?:consumed[_ ])?samples)(?:$|[/_. -]?\d+$|[/_. -].*)",
    re.IGNORECASE,
)
SIGNALS = ("loss", "norm", "perplexity", "ppl", "entropy")
"""Words in the names of series that measure the training itself."""
NO_SIGNAL = ("scale",)
"""Words that exclude a series: a loss scale jumps when a number format overflows."""
ROUNDING = 1e-6
"""Relative spread below which ranks logged the same number: a loss reduced over all ranks."""


def takes_resources(name: str) -> bool:
    """Returns whether a series of this name measures time, speed, memory or bookkeeping."""
    return RESOURCES.search(name) is not None


def is_schedule(name: str) -> bool:
    """Returns whether the recipe sets a series of this name, the same for every seed."""
    return name in PLANNED or (_PLAN.fullmatch(name) is not None and not takes_resources(name))


def is_validation(name: str) -> bool:
    """Returns whether a series of this name is a result of validation."""
    return name.startswith(PREFIXES) and not (is_schedule(name) or takes_resources(name))


def is_auxiliary(name: str) -> bool:
    """Returns whether a series of this name measures the course of the training."""
    lower = name.lower()
    measures = any(part in lower for part in SIGNALS) and not any(p in lower for p in NO_SIGNAL)
    return measures and not (is_schedule(name) or is_validation(name))


def is_other(name: str) -> bool:
    """Returns whether a series of this name belongs to the training but is tested by no rule."""
    tested = is_schedule(name) or is_validation(name) or is_auxiliary(name)
    return not (tested or takes_resources(name))


def with_auxiliary(aligned: Aligned, baseline: Sequence[Run], candidate: Sequence[Run]) -> Aligned:
    """Returns the aligned series with every other series that both sides logged.

    A series needs one run of each side; the rows of the runs without it are NaN.
    """
    logged = (
        {s.name for run in side for s in run.series if s.rank == aligned.rank}
        for side in (baseline, candidate)
    )
    others = sorted(set.intersection(*logged) - {aligned.metric})

    def select(wanted: Callable[[str], bool]) -> tuple[Curves, ...]:
        series = (_aligned(aligned, baseline, candidate, name) for name in filter(wanted, others))
        return tuple(s for s in series if s is not None)

    ranks = {tuple(s.rank for s in _of_ranks(run, aligned)) for run in (*baseline, *candidate)}
    between = _between_ranks(aligned, baseline, candidate) if len(ranks) == 1 else ()
    return replace(
        aligned,
        schedules=select(is_schedule),
        validation=select(is_validation),
        auxiliary=(*select(is_auxiliary), *between),
        others=select(is_other),
        same_ranks=len(ranks) == 1,
    )


def finite_only(aligned: Aligned) -> Aligned:
    """Returns the aligned series with its other series cut to the steps where all are finite."""

    def kept(others: Sequence[Curves]) -> tuple[Curves, ...]:
        masks = [np.isfinite(np.vstack([o.baseline, o.candidate])).all(axis=0) for o in others]
        return tuple(
            replace(
                other,
                steps=other.steps[mask],
                baseline=other.baseline[:, mask],
                candidate=other.candidate[:, mask],
            )
            for other, mask in zip(others, masks, strict=True)
            if mask.any()
        )

    return replace(
        aligned,
        schedules=kept(aligned.schedules),
        validation=kept(aligned.validation),
        auxiliary=kept(aligned.auxiliary),
    )


def _aligned(
    judged: Curves, baseline: Sequence[Run], candidate: Sequence[Run], name: str
) -> Curves | None:
    """Returns another series of the runs that log it; None without a common step."""
    having = [[bool(run.find(name, judged.rank)) for run in side] for side in (baseline, candidate)]
    sides = [
        [run for run, has in zip(side, mask, strict=True) if has]
        for side, mask in zip((baseline, candidate), having, strict=True)
    ]
    try:
        other = curves(*sides, metric=name, rank=judged.rank)
    except AlignmentError:
        return None
    left, right = (
        _with_gaps(values, mask)
        for values, mask in zip((other.baseline, other.candidate), having, strict=True)
    )
    return replace(other, baseline=left, candidate=right)


def _with_gaps(values: Floats, has: Sequence[bool]) -> Floats:
    """Returns (N, n): the rows of the runs that log a series, and NaN for the others."""
    rows = np.full((len(has), values.shape[1]), np.nan)
    rows[np.asarray(has)] = values
    return rows


def _between_ranks(
    judged: Aligned, baseline: Sequence[Run], candidate: Sequence[Run]
) -> tuple[Curves, ...]:
    """Returns the spread of the judged series over ranks; empty if a run logs one rank only.

    All runs must log the same ranks.
    """
    if len(_of_ranks(baseline[0], judged)) < 2:
        return ()
    name = f"{judged.metric} between ranks"
    left, right = (
        [replace(run, series=(_spread(_of_ranks(run, judged), name),)) for run in side]
        for side in (baseline, candidate)
    )
    spread = _aligned(replace(judged, rank=0), left, right, name)
    return () if spread is None else (spread,)


def _of_ranks(run: Run, judged: Curves) -> list[Series]:
    """Returns the judged series of each rank, in the order of ranks."""
    series = [s for s in run.series if s.name == judged.metric and s.window == judged.window]
    return sorted(series, key=lambda s: s.rank)


def _spread(ranks: Sequence[Series], name: str) -> Series:
    """Returns the standard deviation over ranks at each step that all ranks logged.

    NaN if a rank is not finite at that step.
    """
    steps = ranks[0].steps
    for other in ranks[1:]:
        steps = np.intersect1d(steps, other.steps, assume_unique=True)
    values = np.stack([s.values[np.searchsorted(s.steps, steps)] for s in ranks])
    finite = np.isfinite(values)
    exponent = exponent_of(values[finite])
    parts = np.where(finite, np.ldexp(values, -exponent), np.nan)
    spread = parts.std(axis=0)
    same = spread <= ROUNDING * np.abs(parts.mean(axis=0))
    spread = np.ldexp(np.where(same, 0.0, spread), exponent)
    return Series(name=name, rank=0, steps=steps, values=spread)
