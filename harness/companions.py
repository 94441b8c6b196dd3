"""The other series that belong to a training run's mathematics, aligned beside the judged one.

A learning-rate schedule, the samples seen and validation results say what was trained; times and
memory say on what, and are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.align import Aligned, align
from harness.curve import Run
from harness.errors import AlignmentError

NAMES = frozenset({"lr", "base_lr", "samples"})
PREFIXES = ("val.",)


def is_companion(name: str) -> bool:
    """Whether a series of this name tells what was trained."""
    return name in NAMES or name.startswith(PREFIXES)


def with_companions(aligned: Aligned, baseline: Sequence[Run], candidate: Sequence[Run]) -> Aligned:
    """The aligned series with every companion that all runs logged and that shares a step."""
    everywhere = set.intersection(
        *({s.name for s in run.series if s.rank == aligned.rank} for run in (*baseline, *candidate))
    )
    found = []
    for name in sorted(everywhere - {aligned.metric}):
        if not is_companion(name):
            continue
        try:
            found.append(align(baseline, candidate, metric=name, rank=aligned.rank))
        except AlignmentError:
            continue
    return replace(aligned, companions=tuple(found))
