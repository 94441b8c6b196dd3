"""The other series of a training run, aligned beside the judged one.

Schedules, such as the learning rate and the samples seen, say what was trained. Validation says
what came out. Auxiliary series, parts of the loss, norms and how far the ranks lie apart, say how
the training went. Accuracies repeat the loss, with heavier tails; times, memory and the scale of
mixed precision say what it ran on. These are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned, Curves, curves
from harness.align.scale import exponent_of
from harness.errors import AlignmentError
from harness.log.run import Run, Series

Floats = NDArray[np.float64]

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
"""Names of what a step or a validation took, and of bookkeeping."""
_PLAN = re.compile(
    r"(?:^|.*[/_. -])(?:(?:base_)?lr|learning[_ ]rate|wd|weight[_ ]decay|momentum|batch[_ ]size|"
    r"(?:consumed[_ ])?samples)(?:$|[/_. -]?\d+$|[/_. -].*)",
    re.IGNORECASE,
)
SIGNALS = ("loss", "norm", "perplexity", "ppl", "entropy")
"""Parts of the names of series that measure training itself."""
NO_SIGNAL = ("scale",)
"""Parts that tell otherwise: a loss scale jumps where a number format overflows."""
ROUNDING = 1e-6
"""Ranks that lie apart by less of their mean logged one number, reduced over all of them."""


def takes_resources(name: str) -> bool:
    """Whether a series of this name says what a step or a validation took."""
    return RESOURCES.search(name) is not None


def is_schedule(name: str) -> bool:
    """Whether a series of this name is set by the recipe, the same for every seed."""
    return name in PLANNED or (_PLAN.fullmatch(name) is not None and not takes_resources(name))


def is_validation(name: str) -> bool:
    """Whether a series of this name is a result of validation."""
    return name.startswith(PREFIXES) and not (is_schedule(name) or takes_resources(name))


def is_auxiliary(name: str) -> bool:
    """Whether a series of this name tells how the training went."""
    lower = name.lower()
    measures = any(part in lower for part in SIGNALS) and not any(p in lower for p in NO_SIGNAL)
    return measures and not (is_schedule(name) or is_validation(name))


def is_other(name: str) -> bool:
    """Whether a series of this name says something of the training that no rule asks about."""
    told = is_schedule(name) or is_validation(name) or is_auxiliary(name)
    return not (told or takes_resources(name))


def with_auxiliary(aligned: Aligned, baseline: Sequence[Run], candidate: Sequence[Run]) -> Aligned:
    """The aligned series with every other series that some run of each side logged.

    The row of a run that lacks one is NaN.
    """
    logged = (
        {s.name for run in side for s in run.series if s.rank == aligned.rank}
        for side in (baseline, candidate)
    )
    others = sorted(set.intersection(*logged) - {aligned.metric})

    def found(wanted: Callable[[str], bool]) -> tuple[Curves, ...]:
        several = (_aligned(aligned, baseline, candidate, name) for name in filter(wanted, others))
        return tuple(one for one in several if one is not None)

    ranks = {tuple(s.rank for s in _of_ranks(run, aligned)) for run in (*baseline, *candidate)}
    between = _between_ranks(aligned, baseline, candidate) if len(ranks) == 1 else ()
    return replace(
        aligned,
        schedules=found(is_schedule),
        validation=found(is_validation),
        auxiliary=(*found(is_auxiliary), *between),
        others=found(is_other),
        same_ranks=len(ranks) == 1,
    )


def finite_only(aligned: Aligned) -> Aligned:
    """The aligned series with its other series on the steps where every run is finite."""

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
    """One other series of the runs that have it; None where they share no step."""
    having = [[bool(run.find(name, judged.rank)) for run in side] for side in (baseline, candidate)]
    sides = [
        [run for run, has in zip(side, mask, strict=True) if has]
        for side, mask in zip((baseline, candidate), having, strict=True)
    ]
    try:
        found = curves(*sides, metric=name, rank=judged.rank)
    except AlignmentError:
        return None
    left, right = (
        _with_gaps(values, mask)
        for values, mask in zip((found.baseline, found.candidate), having, strict=True)
    )
    return replace(found, baseline=left, candidate=right)


def _with_gaps(values: Floats, has: Sequence[bool]) -> Floats:
    """Rows (n,) of the runs that have a series, NaN rows for the others: (N, n)."""
    rows = np.full((len(has), values.shape[1]), np.nan)
    rows[np.asarray(has)] = values
    return rows


def _between_ranks(
    judged: Aligned, baseline: Sequence[Run], candidate: Sequence[Run]
) -> tuple[Curves, ...]:
    """How far the ranks, the same in all runs, lie apart in the judged series, if several are."""
    if len(_of_ranks(baseline[0], judged)) < 2:
        return ()
    name = f"{judged.metric} between ranks"
    left, right = (
        [replace(run, series=(_spread(_of_ranks(run, judged), name),)) for run in side]
        for side in (baseline, candidate)
    )
    found = _aligned(replace(judged, rank=0), left, right, name)
    return () if found is None else (found,)


def _of_ranks(run: Run, judged: Curves) -> list[Series]:
    """The judged series of each rank, in the order of ranks."""
    found = [s for s in run.series if s.name == judged.metric and s.window == judged.window]
    return sorted(found, key=lambda s: s.rank)


def _spread(several: Sequence[Series], name: str) -> Series:
    """The standard deviation over ranks at each step that all of them logged.

    NaN where a rank is not finite.
    """
    steps = several[0].steps
    for other in several[1:]:
        steps = np.intersect1d(steps, other.steps, assume_unique=True)
    values = np.stack([s.values[np.searchsorted(s.steps, steps)] for s in several])
    finite = np.isfinite(values)
    exponent = exponent_of(values[finite])
    parts = np.where(finite, np.ldexp(values, -exponent), np.nan)
    spread = parts.std(axis=0)
    same = spread <= ROUNDING * np.abs(parts.mean(axis=0))
    spread = np.ldexp(np.where(same, 0.0, spread), exponent)
    return Series(name=name, rank=0, steps=steps, values=spread)
