"""Data quality: reasons why agreement between these logs is not evidence.

Such a reason turns a pass into inconclusive. It does not excuse a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.align.auxiliary import takes_resources
from harness.align.start import stated
from harness.log.run import Run, Series, same_series
from harness.log.wording import counted
from harness.quality.copies import copied

PLATEAU = 0.02
"""Fraction of its first level by which a loss must move to show training: the default margin."""
TENTHS = 10
SIGMAS = 3
"""Standard errors by which a level must move so that noise does not explain it."""

FEW_TIMES = 5
"""A series of times or speeds with more different values is measured; others may be settings."""
_IDENTITY = ("device_kind", "device_name", "seed")
"""Facts that make equal bits implausible if they differ."""
_IDENTITY_OF_A_START = ("device_kind", "seed")
"""The same for runs of the same start: two devices of one kind may compute the same bits. Two CPUs
with the same instructions do, and so do two cards of one make."""


def data_caveats(
    baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned
) -> tuple[str, ...]:
    """Returns why agreement of these runs is not evidence, one line each; empty without a reason.

    `aligned` holds all common steps, not only those that are judged.
    """
    of_loss = "loss" in aligned.metric.lower()  # a learning rate may start at 0 or be equal
    return (
        *_same_file(baseline, candidate),
        *_same_content(baseline, candidate),
        *(_of_loss(baseline, candidate, aligned) if of_loss else ()),
        *(doubt for run in candidate for doubt in _repaired(run, aligned)),
    )


def _of_loss(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> list[str]:
    return [
        *(equal := _equal_bits(baseline, candidate, aligned)),
        *(() if equal else _followers(baseline, candidate, aligned)),
        *_first_is_zero("baseline", aligned, aligned.baseline),
        *_first_is_zero("candidate", aligned, aligned.candidate),
        *_never_moved(aligned),
    ]


def _same_file(baseline: Sequence[Run], candidate: Sequence[Run]) -> list[str]:
    known = {run.sha256: run.source for run in baseline if run.sha256}
    return [
        f"{run.source} is {known[run.sha256]} byte for byte: a copied log is no evidence; pass the "
        "candidate's log"
        for run in candidate
        if run.sha256 in known
    ]


def _same_content(baseline: Sequence[Run], candidate: Sequence[Run]) -> list[str]:
    """Returns logs with equal series but different bytes: packed, other line ends, exported.

    Two runs never take the same times, even if they reproduce each other's losses.
    """
    return [
        f"{cand.source} equals {base.source} to the last bit, times and speeds included: a copied "
        "log is no evidence; pass the candidate's log"
        for cand in candidate
        for base in baseline
        if not (base.sha256 and base.sha256 == cand.sha256)
        and any(
            takes_resources(s.name) and np.unique(s.values).size > FEW_TIMES for s in base.series
        )
        and same_series(base.series, cand.series)
    ]


def _equal_bits(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> list[str]:
    """Returns curves that agree to the last bit although the stated devices or seeds differ."""
    if aligned.steps.size < 2:
        return []
    doubts = []
    for base, left in zip(baseline, aligned.baseline, strict=True):
        for cand, right in zip(candidate, aligned.candidate, strict=True):
            if base.sha256 and base.sha256 == cand.sha256:
                continue
            if not np.array_equal(left, right):
                continue
            for fact in _IDENTITY_OF_A_START if stated([base, cand]) else _IDENTITY:
                ours, theirs = base.facts.get(fact), cand.facts.get(fact)
                if ours is not None and theirs is not None and ours != theirs:
                    doubts.append(
                        f"{base.source} and {cand.source} agree to the last bit on all "
                        f"{counted(aligned.steps.size, 'common step')} but state {fact} {ours} "
                        f"and {theirs}: two runs are not expected to do that; check where the "
                        "candidate's figures come from"
                    )
                    break
    return doubts


def _followers(
    baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned
) -> tuple[str, ...]:
    """Returns candidates that follow a baseline run, without byte-for-byte copies."""
    known = {run.sha256 for run in baseline if run.sha256}
    own = [i for i, run in enumerate(candidate) if run.sha256 not in known]
    if not own:
        return ()
    part = replace(aligned, candidate=aligned.candidate[own])
    return copied(baseline, [candidate[i] for i in own], part)


def _repaired(run: Run, aligned: Aligned) -> list[str]:
    """Returns records that were logged again with values that a resume does not explain.

    A resumed run repeats a step, at worst with other data: the two values then differ as neighbours
    do. A larger difference, or a first value that is not finite, means that something was repaired.
    """
    doubts = []
    current = run.find(aligned.metric, aligned.rank)
    for old in (s for s in run.replaced if s.name == aligned.metric and s.rank == aligned.rank):
        new = next((s for s in current if s.window == old.window), None)
        inside = (old.steps >= aligned.steps[0]) & (old.steps <= aligned.steps[-1])
        bad = old.steps[inside & ~np.isfinite(old.values)]
        far = _far_apart(old, new) if new is not None else bad[:0]
        far = np.setdiff1d(far[(far >= aligned.steps[0]) & (far <= aligned.steps[-1])], bad)
        for steps, what in ((bad, "not finite"), (far, "far from what was logged later")):
            if steps.size:
                was = "was" if steps.size == 1 else "were"
                doubts.append(
                    f"{run.source}: {counted(steps.size, 'record')} of {old.key} that {was} "
                    f"logged again later {was} {what}, the first at step {steps[0]}: a resume "
                    "does not explain that; find out what was repaired, and judge a log without it"
                )
    return doubts


def _far_apart(old: Series, new: Series) -> NDArray[np.int64]:
    """Returns the steps at which the two records differ by more than records ever change.

    The limit is twice the 99 % quantile of the changes from record to record, of logarithms if all
    values are positive.
    """
    common, left, right = np.intersect1d(
        old.steps, new.steps, assume_unique=True, return_indices=True
    )
    values, before, after = new.values[np.isfinite(new.values)], old.values[left], new.values[right]
    if values.size < TENTHS:
        return common[:0]
    positive = (values > 0).all() and (before[np.isfinite(before)] > 0).all()
    size = 1.0 if positive else float(np.abs(values).mean()) or 1.0
    with np.errstate(invalid="ignore"):
        values, before, after = (
            np.log(v) if positive else v / size for v in (values, before, after)
        )
    limit = 2 * max(float(np.quantile(np.abs(np.diff(values)), 0.99)), PLATEAU)
    apart = np.abs(before - after)
    return common[np.isfinite(apart) & (apart > limit)]


def _first_is_zero(side: str, aligned: Aligned, curves: NDArray[np.float64]) -> list[str]:
    """Returns a remark if the first loss is exactly 0: that is a placeholder, not a loss."""
    if not ((curves[:, 0] == 0) & (curves != 0).any(axis=1)).any():
        return []
    return [
        f"the first {aligned.metric} of the {side} is exactly 0 (step {aligned.steps[0]}): a "
        "placeholder, or a counter that is off by one; log each loss with its step"
    ]


def _never_moved(aligned: Aligned) -> list[str]:
    if not starts_at_the_start(aligned) or moved(aligned.baseline_mean) is not False:
        return []
    return [
        f"the baseline's {aligned.metric} stays within {PLATEAU:.0%} of its first level, or within "
        f"its noise, on all {aligned.steps.size} common steps: it has not left its starting "
        "plateau, where any port agrees; train until it falls"
    ]


def starts_at_the_start(aligned: Aligned) -> bool:
    """Returns whether the common steps begin within a logging interval of the training's start."""
    steps = aligned.steps
    stride = int(np.median(np.diff(steps))) if steps.size > 1 else 1
    return int(steps[0]) <= stride + aligned.window


def moved(curve: NDArray[np.float64]) -> bool | None:
    """Returns whether the level of a loss curve (n,) ever leaves that of its first tenth.

    The mean of a tenth must differ from the first by more than `PLATEAU`, and noise must not
    explain it: the difference exceeds three standard errors, or Spearman's rank correlation with
    the step does (its standard error is 1 / sqrt(n - 1) without a trend). The noise is estimated
    from step-to-step differences, which a trend hardly affects (von Neumann 1941), and assumed
    independent. Returns None with fewer than 20 values, or if a value is not finite.
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
    from scipy.stats import spearmanr  # noqa: PLC0415  (a third of a second, few commands need it)

    if np.ptp(curve) == 0:
        return False
    rho = float(spearmanr(np.arange(curve.size), curve).statistic)  # ties share their mean rank
    return bool(abs(rho) * np.sqrt(curve.size - 1) > SIGMAS)
