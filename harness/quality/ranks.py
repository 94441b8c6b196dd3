"""The ranks beside the judged one: each shows what rank 0 does, and none repeats another.

A fault may sit on one device of several. What is asked of the judged rank beside its loss is asked
of the others too: their schedules, their further figures, and that they log what the baseline's do.
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
"""Ranks that are looked at beside the judged one; more tell the same."""


def other_ranks(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned
) -> tuple[int, ...]:
    """The ranks that every run of both sides logs, without the judged one; 64 at most."""
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
    """What a rank shows beside the judged series, over the judged steps; each line names it."""
    try:
        whole = with_auxiliary(
            align(baseline, candidate, metric=judged.metric, rank=rank), baseline, candidate
        )
    except AlignmentError:  # another question says that it logs too little
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
    """Ranks of a candidate that log the same curve, as no two of any baseline run do."""
    if any(_repeated(run, judged) for run in baseline):
        return ()
    return tuple(
        f"{run.source}: rank {a} and rank {b} log the same {judged.metric}, and no two ranks of "
        "the baseline do: they train on the same data, or one repeats the other"
        for run in candidate
        for a, b in _repeated(run, judged)
    )


def _repeated(run: Run, judged: Aligned) -> list[tuple[int, int]]:
    """Pairs of ranks with equal values on all judged steps."""
    known: dict[bytes, int] = {}
    found = []
    for rank, values in _curves(run, judged):
        first = known.setdefault(values.tobytes(), rank)
        if first != rank:
            found.append((first, rank))
    return found


def _curves(run: Run, judged: Aligned) -> Iterator[tuple[int, NDArray[np.float64]]]:
    def places(series: Series) -> NDArray[np.bool_]:
        return np.isin(series.steps, judged.steps)

    for series in sorted(run.series, key=lambda s: s.rank):
        if series.name == judged.metric and series.window == judged.window:
            yield series.rank, series.values[places(series)]
