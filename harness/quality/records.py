"""Checks of single records, which levels and means hide.

These checks run for every policy. A NaN or infinity that the baseline does not have is evidence
against the candidate. A record that lies far outside all baseline runs, such as a spike or a zero,
turns a pass into inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned, Curves
from harness.align.auxiliary import is_schedule, is_validation
from harness.log.arrays import Floats
from harness.log.run import Run, Series
from harness.log.wording import counted
from harness.quality.spikes import ENOUGH_RUNS, spikes

FAR = 4.0
"""The same for the other series. They are many, and a multiple of 3 flagged a seed that learned
late."""
ISOLATED = 0.01
"""Fraction of the records of a norm that may be infinite because a loss scaler overflowed."""
BLOCKS = 10
SMALL = 0.02
"""Relative distance that another series may always have, however little the baseline's runs
differ."""
CONVENTIONS = (("val.", 0.1), ("between ranks", 1.0), ("loss", 0.5), ("", 1.0))
"""The same with fewer than five baseline runs, by words in the name: a tenth for validation, a half
for a part of the loss, and for norms a factor of 2.7 (1 in logarithms)."""
BURSTS = 40
BURST = 3.0
"""Number of stretches that are searched for a burst, and multiple of the baseline's largest
distance that makes one."""
HANGS = 5
"""Equal records in a row from which on a run may hang."""
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """`failures` are evidence against the candidate; `doubts` prevent a pass."""

    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def check_records(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> Remarks:
    """Returns the remarks on single records of the candidate, over the judged steps."""
    further = check_further(candidate, aligned)
    doubts = [
        *_outliers(baseline, candidate, aligned),
        *_bursts(candidate, aligned),
        *_frozen(candidate, aligned),
        *(_beyond_all(candidate, aligned) if aligned.steps.size < 2 * BLOCKS else ()),
    ]
    return Remarks(
        failures=(*_other_ranks(baseline, candidate, aligned), *further.failures),
        doubts=(*doubts, *further.doubts),
    )


def check_further(candidate: Sequence[Run], aligned: Aligned) -> Remarks:
    """Returns the remarks on single records of the other series."""
    others = (*aligned.schedules, *aligned.validation, *aligned.auxiliary, *aligned.others)
    return Remarks(
        failures=tuple(text for other in others for text in _not_finite(candidate, other)),
        doubts=(
            *(text for other in others for text in _beyond_all(candidate, other)),
            *(text for other in aligned.auxiliary for text in _spikes_of(candidate, other)),
        ),
    )


def _bursts(candidate: Sequence[Run], aligned: Aligned) -> Iterator[str]:
    """Yields the worst short stretch of a candidate that lies farther out than the baseline's.

    A stretch is a fortieth of the records. Its mean distance from the median of the baseline's runs
    is compared with the largest such distance of a baseline run.
    """
    base, n = aligned.baseline, aligned.steps.size
    if len(base) < ENOUGH_RUNS or n < 4 * BURSTS or not np.isfinite(base).all():
        return
    logs = bool((base > 0).all())
    size = 1.0 if logs else float(np.abs(base).mean()) or 1.0
    places = np.array_split(np.arange(n), BURSTS)
    rows = np.log(base) if logs else base / size
    centre = np.median(rows, axis=0)
    usual = np.stack([(rows - centre)[:, part].mean(axis=1) for part in places])  # (K, B)
    local = np.abs(usual).max(axis=1)
    limit = BURST * np.maximum(local, np.median(local))
    for run, row in zip(candidate, aligned.candidate, strict=True):
        if not np.isfinite(row).all() or (logs and (row <= 0).any()):
            continue
        distance = (np.log(row) if logs else row / size) - centre
        apart = np.array([distance[part].mean() for part in places])
        worst = int((np.abs(apart) / limit.clip(min=1e-12)).argmax())
        if abs(apart[worst]) > limit[worst] + SMALL:
            first, last = aligned.steps[places[worst][[0, -1]]]
            part = math.expm1(apart[worst]) if logs else apart[worst]
            yield (
                f"{aligned.metric} of {run.source} is {part:+.1%} off on steps {first} to {last}, "
                "much farther than any run of the baseline: look at what happened there"
            )


def _frozen(candidate: Sequence[Run], aligned: Aligned) -> Iterator[str]:
    """Yields candidates whose judged value repeats itself, as in a run that hangs."""
    usual = max(_longest(row)[0] for row in aligned.baseline)
    for run, row in zip(candidate, aligned.candidate, strict=True):
        length, end = _longest(row)
        if length >= max(HANGS, 3 * usual):
            yield (
                f"{aligned.metric} of {run.source} is {row[end]:.6g} on "
                f"{counted(length, 'record')} in a row, "
                f"steps {aligned.steps[end - length + 1]} to {aligned.steps[end]}; the baseline's "
                f"repeats a value {counted(usual, 'time')} at most: check that it still trains"
            )


def _longest(row: Floats) -> tuple[int, int]:
    """Returns the length and the last place of the longest run of equal values (n,)."""
    ends = np.append(np.flatnonzero(row[1:] != row[:-1]), row.size - 1)
    lengths = np.diff(ends, prepend=-1)
    i = int(lengths.argmax())
    return int(lengths[i]), int(ends[i])


def _spikes_of(candidate: Sequence[Run], other: Curves) -> Iterator[str]:
    """Yields spikes of a part of the loss or of a norm that no baseline run shows."""
    base = other.baseline[np.isfinite(other.baseline).all(axis=1)]
    if len(base) < ENOUGH_RUNS or other.metric.endswith("between ranks"):
        return
    for run, row in zip(candidate, other.candidate, strict=True):
        at = spikes(base, row)
        if at.size:
            yield (
                f"{other.metric} of {run.source} is {row[at[0]]:.5g} at step {other.steps[at[0]]}, "
                "farther out than any record of the baseline's runs"
            )


def _beyond_all(candidate: Sequence[Run], other: Curves) -> Iterator[str]:
    """Yields validation figures, parts of the loss and norms far beyond the baseline's runs.

    Checks single records if there are few, as in validation, otherwise means of `BLOCKS` stretches.
    With enough baseline runs, the distance from their median is compared with the farthest of them,
    at that record or at the median record, whichever is larger. With fewer runs the limit is a
    convention (`CONVENTIONS`).
    """
    base = other.baseline[np.isfinite(other.baseline).any(axis=1)]
    known = np.isfinite(base).all(axis=0)
    if is_schedule(other.metric) or not base.size or not known.any():
        return
    base, steps = base[:, known], other.steps[known]
    logs = bool((base > 0).all())
    left = _stretches(np.log(base) if logs else base)
    limit = _limit(left, other.metric, size=1.0 if logs else float(np.abs(base).mean()))
    centre = np.median(left, axis=0)
    for run, row in zip(candidate, other.candidate[:, known], strict=True):
        if logs:  # a single zero, as when ranks happen to agree, is small but not absurd
            row = np.maximum(row, base.min() / 10)  # noqa: PLW2901
        right = _stretches(np.log(row[None, :]) if logs else row[None, :])[0]
        apart = np.where(np.isfinite(right), np.abs(right - centre), 0.0)
        i = int((apart - limit).argmax())
        if apart[i] > limit[i]:
            at = np.array_split(steps, centre.size)[i]
            where = f"at step {at[0]}" if at.size == 1 else f"on steps {at[0]} to {at[-1]}"
            ours, theirs = (math.exp(v) if logs else v for v in (float(centre[i]), float(right[i])))
            yield (
                f"{other.metric} of {run.source} is {theirs:.4g} {where} and the baseline's is "
                f"{ours:.4g}: the difference is far beyond that between the baseline's runs"
            )


def _limit(rows: Floats, metric: str, *, size: float) -> Floats:
    """Returns the largest allowed distance from the median of the rows (B, k), by column (k,)."""
    farthest = np.abs(rows - np.median(rows, axis=0)).max(axis=0)
    spread = np.maximum(farthest, np.median(farthest))
    enough = rows.shape[0] >= ENOUGH_RUNS
    least = SMALL if enough else next(p for words, p in CONVENTIONS if words in metric.lower())
    limit: Floats = FAR * spread + least * size
    return limit


def _stretches(values: Floats) -> Floats:
    """Returns rows (N, n) unchanged if n is small, otherwise their means over `BLOCKS` parts."""
    if values.shape[1] < 2 * BLOCKS:
        return values
    with np.errstate(invalid="ignore"):
        parts = np.array_split(values, BLOCKS, axis=1)
        return np.column_stack([part.mean(axis=1) for part in parts])


def _not_finite(candidate: Sequence[Run], other: Curves) -> Iterator[str]:
    """Yields runs with NaN or infinity in another series where the baseline is finite.

    A norm may overflow now and then under a loss scaler, so its count is compared with the largest
    of a baseline run.
    """
    present = ~np.isnan(other.baseline).all(axis=1)
    base = ~np.isfinite(other.baseline[present])
    n = other.steps.size
    allowed = 0
    name = other.metric
    if not (is_schedule(name) or is_validation(name) or "loss" in name.lower()):
        most = int(base.sum(axis=1).max(initial=0))
        allowed = max(math.ceil(ISOLATED * n), 2 * most + 1) if n > 1 / ISOLATED else 2 * most
    for run, row in zip(candidate, other.candidate, strict=True):
        bad = ~np.isfinite(row)
        if not run.find(other.metric, other.rank) and bad.all():
            continue  # the run does not log the series: `completeness` reports that
        bad &= ~base.any(axis=0) if not allowed else True
        count = int(np.count_nonzero(bad))
        # A loss scaler recovers: two bad records at the end fail even within the allowance.
        if count > allowed or (count and bad[-2:].all() and n > 1 and not base[:, -2:].any()):
            most_text = f" ({allowed} are allowed)" if allowed else ""
            yield (
                f"{other.metric} of {run.source} is NaN or infinite on {count} of "
                f"{counted(n, 'step')}{most_text}, the first is {other.place} "
                f"{other.steps[bad][0]}; the baseline's is not"
            )


def _other_ranks(
    baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned
) -> Iterator[str]:
    """Yields other ranks whose judged series is not finite although the baseline's is."""
    for run in candidate:
        for series in _of_ranks(run, aligned):
            bad = series.steps[~np.isfinite(series.values)]
            nonfinite = [
                other.steps[~np.isfinite(other.values)]
                for base in baseline
                for other in _of_ranks(base, aligned)
                if other.rank == series.rank
            ]
            bad = np.setdiff1d(bad, np.concatenate(nonfinite) if nonfinite else bad[:0])
            if bad.size:
                yield (
                    f"{aligned.metric} of rank {series.rank} of {run.source} is NaN or infinite on "
                    f"{bad.size} of {counted(len(series), 'step')}, the first is "
                    f"{aligned.place} {bad[0]}"
                )


def _of_ranks(run: Run, aligned: Aligned) -> list[Series]:
    """Returns the judged series of the other ranks, over the judged steps."""
    return [
        _inside(s, aligned)
        for s in run.series
        if s.name == aligned.metric and s.rank != aligned.rank
    ]


def _inside(series: Series, aligned: Aligned) -> Series:
    keep = (series.steps >= aligned.steps[0]) & (series.steps <= aligned.steps[-1])
    return Series(
        name=series.name,
        rank=series.rank,
        window=series.window,
        steps=series.steps[keep],
        values=series.values[keep],
    )


def _outliers(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> Iterator[str]:
    """Yields spikes and zeros of the judged series, in every rank that both sides log."""
    yield from _of_curves(candidate, aligned, aligned.baseline, aligned.candidate, aligned.rank)
    for rank in _shared_ranks((*baseline, *candidate), aligned):
        sides = [_stacked(side, aligned, rank) for side in (baseline, candidate)]
        if all(side is not None for side in sides):
            left, right = (side for side in sides if side is not None)
            yield from _of_curves(candidate, aligned, left, right, rank)


def _shared_ranks(runs: Sequence[Run], aligned: Aligned) -> list[int]:
    ranks = set.intersection(*({s.rank for s in _of_ranks(run, aligned)} for run in runs))
    return sorted(ranks)


def _stacked(side: Sequence[Run], aligned: Aligned, rank: int) -> Floats | None:
    """Returns the judged series of another rank on the judged steps (N, n).

    Returns None if a run lacks a judged step or has another window.
    """
    rows = []
    for run in side:
        series = next(s for s in _of_ranks(run, aligned) if s.rank == rank)
        if series.window != aligned.window or not np.isin(aligned.steps, series.steps).all():
            return None
        rows.append(series.values[np.searchsorted(series.steps, aligned.steps)])
    return np.stack(rows)


def _of_curves(
    runs: Sequence[Run], aligned: Aligned, base: Floats, cand: Floats, rank: int
) -> Iterator[str]:
    name = aligned.metric + (f" of rank {rank}" if rank != aligned.rank else "")
    positive = bool((base[np.isfinite(base)] > 0).all())
    for run, row in zip(runs, cand, strict=True):
        low = (row <= 0) & np.isfinite(row)
        if positive and low.any():
            zero = "exactly 0" if (row[low] == 0).all() else "0 or less"
            yield (
                f"{name} of {run.source} is {zero} on "
                f"{counted(int(np.count_nonzero(low)), 'step')}, the first is "
                f"step {aligned.steps[low][0]}; the baseline's never is: check for a placeholder, "
                "an underflow, or a loss that was not computed"
            )
        at = spikes(base, np.where(low, np.nan, row) if positive else row)
        if at.size:
            listed = ", ".join(
                f"{row[i]:.5g} at step {aligned.steps[i]}" for i in at[:NAMED].tolist()
            )
            more = f" and {at.size - NAMED} more" if at.size > NAMED else ""
            yield (
                f"{name} of {run.source} is {listed}{more}, farther out than any record of the "
                "baseline's runs: look at what happened there"
            )
