"""Checks of the other ranks: each must agree with the baseline, and none may repeat another.

A fault may affect a single device. So the schedules, the auxiliary series and the completeness of
every rank are checked in the same way as those of the judged rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned, align
from harness.align.auxiliary import with_auxiliary
from harness.errors import AlignmentError
from harness.log.run import Run, Series
from harness.quality.completeness import incomplete_series
from harness.quality.records import Remarks, check_further
from harness.quality.schedules import check_schedules

MOST = 64
"""Largest number of other ranks to check, which bounds the time on large clusters."""


def other_ranks(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned
) -> tuple[int, ...]:
    """Returns the ranks that every run of both sides logs, without the judged rank; 64 at most."""
    shared = set.intersection(
        *(
            {s.rank for s in run.series if s.name == judged.metric}
            for run in (*baseline, *candidate)
        )
    )
    return tuple(sorted(shared - {judged.rank})[:MOST])


def check_rank(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    judged: Aligned,
    rank: int,
    allow: Sequence[str],
) -> Remarks:
    """Returns the remarks on a rank's other series over the judged steps; each names the rank."""
    try:
        whole = with_auxiliary(
            align(baseline, candidate, metric=judged.metric, rank=rank), baseline, candidate
        )
    except AlignmentError:  # `completeness` reports that the rank logs too little
        return Remarks()
    part = whole.between(int(judged.steps[0]), int(judged.steps[-1]))
    if part is None:
        return Remarks()
    schedules = check_schedules(part, [run.source for run in candidate], allow)
    further = check_further(candidate, part)
    missing = incomplete_series(baseline, candidate, part, allow)
    return Remarks(
        failures=tuple(f"rank {rank}: {text}" for text in (*schedules.failures, *further.failures)),
        doubts=tuple(
            f"rank {rank}: {text}" for text in (*missing, *schedules.doubts, *further.doubts)
        ),
    )


def repeated_ranks(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned
) -> tuple[str, ...]:
    """Returns ranks of a candidate that log the same curve, if no baseline run has such ranks."""
    if any(_repeated(run, judged) for run in baseline):
        return ()
    return tuple(
        f"{run.source}: rank {a} and rank {b} log the same {judged.metric}, unlike any two ranks "
        "of the baseline: they train on the same data, or one repeats the other"
        for run in candidate
        for a, b in _repeated(run, judged)
    )


def _repeated(run: Run, judged: Aligned) -> list[tuple[int, int]]:
    """Returns the pairs of ranks with equal values on all judged steps."""
    known: dict[bytes, int] = {}
    pairs = []
    for rank, values in _curves(run, judged):
        first = known.setdefault(values.tobytes(), rank)
        if first != rank:
            pairs.append((first, rank))
    return pairs


def _curves(run: Run, judged: Aligned) -> Iterator[tuple[int, NDArray[np.float64]]]:
    def places(series: Series) -> NDArray[np.bool_]:
        return np.isin(series.steps, judged.steps)

    for series in sorted(run.series, key=lambda s: s.rank):
        if series.name == judged.metric and series.window == judged.window:
            yield series.rank, series.values[places(series)]
