"""Chooses the perturbed runs that show the rounding of a start, and says why others do not.

A perturbed run repeats a run with benign rounding errors. A repetition of something else, one that
breaks off, and an exact copy show no rounding. With them the envelope would be too wide or too
narrow, so they are left out, and the verdict names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.align.auxiliary import is_auxiliary, is_schedule
from harness.align.comparable import Comparability, blocking, compare_facts
from harness.log.facts import FINGERPRINTS
from harness.log.fingerprint import distance
from harness.log.run import Run, Series

HORIZON = 30
"""Steps from the start that are judged. Later, rounding has grown to the size of seed variation."""
MAY_VARY = ("precision", "planned_steps")
"""Facts that must match between two sides, but not between a run and its perturbed runs: an
envelope may be that of another precision, and its runs need the first steps alone."""
MOVED_BY_16_BITS = 0.05
"""Largest difference of the fingerprints of a run and a perturbed one in a 16-bit format. Weights
and images that are moved by 2**-9 change them by up to 0.02, another start by 0.1 to 1."""
SAME_PLAN = 1e-6
"""Largest relative difference of two schedules of one recipe: they are not rounded by a device."""


def showing_rounding(
    run: Run, perturbed: Sequence[Run], *, metric: str
) -> tuple[list[Run], list[str]]:
    """Returns the perturbed runs of `run` that show its rounding, and why others are left out."""
    reasons = [(other, next(_unfit(run, other, metric), "")) for other in perturbed]
    kept = [other for other, reason in reasons if not reason]
    return kept, [f"{other.source} {reason}" for other, reason in reasons if reason]


def _unfit(run: Run, other: Run, metric: str) -> Iterator[str]:
    """Yields why `other` does not show the rounding of `run`, the first reason first."""
    for row in blocking(compare_facts([run.facts], [other.facts], allow=MAY_VARY)):
        if not _is_moved(row, other):
            yield _of_fact(row)
    ours, theirs = _judged(run, metric), _judged(other, metric)
    if ours is None:
        return
    if theirs is None:
        yield f"does not log {metric}"
        return
    logged = {series.name for series in other.series}
    for series in run.series:
        if is_auxiliary(series.name) and series.name not in logged:
            yield f"does not log {series.name}"
    if ours.steps[0] != theirs.steps[0]:
        yield f"begins at step {theirs.steps[0]}, and the run at step {ours.steps[0]}"
    last = int(ours.steps[:HORIZON][-1])
    if theirs.steps[-1] < last:
        yield f"ends at step {theirs.steps[-1]}, and the run goes on"
    _, at, there = np.intersect1d(ours.steps, theirs.steps, return_indices=True)
    broken = at[np.isfinite(ours.values[at]) & ~np.isfinite(theirs.values[there])]
    if broken.size and ours.steps[broken[0]] <= last:
        yield f"is NaN or infinite at step {ours.steps[broken[0]]}"
    for plan in _other_plans(run, other):
        yield f"has another {plan}"
    if _equal(run, other, metric):
        yield "equals the run in every digit: it is not perturbed, or the log prints too few digits"


def _is_moved(row: Comparability, other: Run) -> bool:
    """Returns whether a fingerprint differs by no more than a rounding of 16 bits moves it."""
    short = any("16" in str(other.facts.get(name, "")) for name in ("precision", "autocast"))
    return (
        short
        and row.fact in FINGERPRINTS
        and distance(row.baseline, row.candidate) <= MOVED_BY_16_BITS
    )


def _of_fact(row: Comparability) -> str:
    if row.fact in FINGERPRINTS:
        return f"states another start ({row.fact})"
    return f"states {row.fact} {row.candidate}, and the run {row.baseline}"


def _judged(run: Run, metric: str) -> Series | None:
    """Returns the judged series of the first rank that logs it; None without any."""
    return next((found[0] for rank in run.ranks if (found := run.find(metric, rank))), None)


def _pairs(run: Run, other: Run) -> Iterator[tuple[Series, Series]]:
    """Yields the series that both runs log."""
    for ours in run.series:
        for theirs in other.find(ours.name, ours.rank):
            if theirs.window == ours.window:
                yield ours, theirs


def _other_plans(run: Run, other: Run) -> Iterator[str]:
    """Yields the names of the schedules that differ."""
    for ours, theirs in _pairs(run, other):
        if is_schedule(ours.name):
            _, at, there = np.intersect1d(ours.steps, theirs.steps, return_indices=True)
            if not np.allclose(
                ours.values[at], theirs.values[there], rtol=SAME_PLAN, atol=0, equal_nan=True
            ):
                yield ours.name


def _equal(run: Run, other: Run, metric: str) -> bool:
    """Returns whether all measured series agree to the last bit on their common steps."""
    pairs = _pairs(run, other)
    measured = [pair for pair in pairs if pair[0].name == metric or is_auxiliary(pair[0].name)]
    for ours, theirs in measured:
        common, at, there = np.intersect1d(ours.steps, theirs.steps, return_indices=True)
        if not common.size or not np.array_equal(
            ours.values[at], theirs.values[there], equal_nan=True
        ):
            return False
    return bool(measured)
