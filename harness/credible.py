"""Could the logs show a difference at all? What in them makes agreement say nothing.

Such data never carry a pass, whatever the rules find; they excuse no failure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.align import Aligned
from harness.curve import Run

PLATEAU = 0.02
"""A loss that moves by less of its first level shows no training: as much as the default margin."""
TENTHS = 10
SIGMAS = 3
"""Standard errors by which a level must move to have moved."""

_IDENTITY = ("device_kind", "device_name", "seed")
"""Facts of which a different value makes equal bits incredible."""


def incredible(
    baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned
) -> tuple[str, ...]:
    """Why agreement of these runs would say nothing, one line each; empty if nothing says so.

    `aligned` holds all common steps, not only those that are judged.
    """
    of_loss = "loss" in aligned.metric.lower()  # a learning rate may start at 0, and be equal
    return (
        *_copied(baseline, candidate),
        *(_of_loss(baseline, candidate, aligned) if of_loss else ()),
        *(doubt for run in (*baseline, *candidate) for doubt in _missing_ranks(run, aligned)),
        *_fewer_ranks(baseline, candidate),
    )


def _of_loss(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> list[str]:
    return [
        *_equal_bits(baseline, candidate, aligned),
        *_first_is_zero("baseline", aligned, aligned.baseline),
        *_first_is_zero("candidate", aligned, aligned.candidate),
        *_never_moved(aligned),
    ]


def _copied(baseline: Sequence[Run], candidate: Sequence[Run]) -> list[str]:
    known = {run.sha256: run.source for run in baseline if run.sha256}
    return [
        f"{run.source} is {known[run.sha256]} byte for byte: a copied log says nothing of a port; "
        "give the candidate's own"
        for run in candidate
        if run.sha256 in known
    ]


def _equal_bits(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> list[str]:
    """Curves that agree to the last bit although the logs state different devices or seeds."""
    if aligned.steps.size < 2:
        return []
    found = []
    for base, left in zip(baseline, aligned.baseline, strict=True):
        for cand, right in zip(candidate, aligned.candidate, strict=True):
            if base.sha256 and base.sha256 == cand.sha256:
                continue
            if not np.array_equal(left, right):
                continue
            for fact in _IDENTITY:
                ours, theirs = base.facts.get(fact), cand.facts.get(fact)
                if ours is not None and theirs is not None and ours != theirs:
                    found.append(
                        f"{base.source} and {cand.source} agree to the last bit on all "
                        f"{aligned.steps.size} common steps, and state {fact} {ours} and {theirs}: "
                        "not to be expected of two runs; check where the candidate's figures "
                        "come from"
                    )
                    break
    return found


def _first_is_zero(side: str, aligned: Aligned, curves: NDArray[np.float64]) -> list[str]:
    """A loss of exactly 0 at the first step is a placeholder, not a loss."""
    if not ((curves[:, 0] == 0) & (curves != 0).any(axis=1)).any():
        return []
    return [
        f"the first {aligned.metric} of the {side} is exactly 0 (step {aligned.steps[0]}): a "
        "placeholder, or a counter that is off by one; log the loss of the step that it names"
    ]


def _never_moved(aligned: Aligned) -> list[str]:
    if not starts_at_the_start(aligned) or moved(aligned.baseline_mean) is not False:
        return []
    return [
        f"the baseline's {aligned.metric} stays within {PLATEAU:.0%} of its first level, or within "
        f"its own noise, on all {aligned.steps.size} common steps: it has not left its starting "
        "plateau, where any port agrees; train until it falls"
    ]


def starts_at_the_start(aligned: Aligned) -> bool:
    """Whether the common steps begin where training did, one logging interval aside."""
    steps = aligned.steps
    stride = int(np.median(np.diff(steps))) if steps.size > 1 else 1
    return int(steps[0]) <= stride + aligned.window


def moved(curve: NDArray[np.float64]) -> bool | None:
    """Whether the level of a loss curve (n,) ever leaves that of its first tenth.

    Two things are asked. The mean of one of ten stretches differs by more than `PLATEAU` from the
    first. And it is not noise: that difference exceeds three standard errors, or the curve has a
    trend by Spearman's rank correlation with the step, again beyond three standard errors
    (1 / sqrt(n - 1) where there is none). Noise is estimated from step-to-step differences, which a
    trend hardly lifts (von Neumann 1941), and taken as independent. None where fewer than 20
    values, or one that is not finite, can tell nothing.
    """
    if curve.size < 2 * TENTHS or not np.isfinite(curve).all():
        return None
    noise = float(np.std(np.diff(curve))) / np.sqrt(2)
    parts = np.array_split(curve, TENTHS)
    levels = np.array([part.mean() for part in parts])
    apart = float(np.max(np.abs(levels - levels[0])))
    clear = apart > SIGMAS * noise * np.sqrt(2 / parts[-1].size)
    return apart > PLATEAU * abs(float(levels[0])) and bool(clear or _has_trend(curve))


def _has_trend(curve: NDArray[np.float64]) -> bool:
    ranks = np.argsort(np.argsort(curve, kind="stable"), kind="stable")
    if np.ptp(curve) == 0:
        return False
    rho = float(np.corrcoef(np.arange(curve.size), ranks)[0, 1])
    return bool(abs(rho) * np.sqrt(curve.size - 1) > SIGMAS)


def _missing_ranks(run: Run, aligned: Aligned) -> list[str]:
    """Ranks that should have logged the judged series and did not, or stopped before the others."""
    ends: dict[int, int] = {}
    for series in run.series:
        if series.name == aligned.metric:
            ends[series.rank] = max(ends.get(series.rank, 0), int(series.steps[-1]))
    if len(ends) < 2:
        return []
    world = run.facts.get("world_size")
    expected = world if isinstance(world, int) and world <= len(ends) * 2 else max(ends) + 1
    missing = sorted(set(range(expected)) - set(ends))
    if missing:
        names = ", ".join(map(str, missing))
        return [f"{run.source}: rank {names} of {expected} logged no {aligned.metric}"]
    judged = int(aligned.steps[-1])
    short = sorted(rank for rank, end in ends.items() if end < min(judged, max(ends.values()) - 1))
    return [
        f"{run.source}: rank {rank} stops at step {ends[rank]}, before the last common step "
        f"{judged}: it died, or its lines are lost"
        for rank in short
    ]


def _fewer_ranks(baseline: Sequence[Run], candidate: Sequence[Run]) -> list[str]:
    """One rank logs on one side, several on the other, and nothing says that the sizes differ."""
    sizes = {
        side: {
            run.facts.get("world_size") for run in runs if run.facts.get("world_size") is not None
        }
        for side, runs in (("baseline", baseline), ("candidate", candidate))
    }
    left, right = ({run.ranks for run in runs} for runs in (baseline, candidate))
    if left == right or sizes["baseline"] != sizes["candidate"] or not sizes["baseline"]:
        return []
    show = " and ".join(
        f"{side}: {', '.join(sorted(str(list(ranks)) for ranks in found))}"
        for side, found in (("baseline", left), ("candidate", right))
    )
    return [f"the same world_size, but other ranks logged ({show}): lines of a rank are missing"]
