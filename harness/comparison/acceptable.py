"""Decides whether the runs of a failing candidate may become the new baseline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.align.aligned import align
from harness.align.auxiliary import with_auxiliary
from harness.comparison.pipeline import Comparison
from harness.log.wording import counted
from harness.quality.records import check_records
from harness.quality.runset import mixed
from harness.rules import Verdict
from harness.stats.seeds import FEWEST


def hindrance(comparison: Comparison) -> str:
    """Returns why the candidate's runs cannot replace the baseline, and what to do; else empty.

    Only a candidate that fails by its curves alone, with complete and independent runs, may replace
    it. It needs as many runs as the baseline has, or five.
    """
    return next(_hindrances(comparison), "")


def _hindrances(comparison: Comparison) -> Iterator[str]:
    judgement = comparison.judgement
    first = judgement.reasons[0] if judgement.reasons else ""
    if comparison.verdict is Verdict.PASS:
        yield "the port passes, so the baseline needs no change"
    if comparison.verdict is Verdict.INCOMPARABLE:
        yield (
            f"the candidate is another experiment ({first}): waive the fact with a reason, or "
            "record the runs as another baseline with `harness baseline add`"
        )
    if judgement.failures:
        yield f"the candidate's data fail a check: {judgement.failures[0]}"
    for run, series in zip(comparison.candidate, comparison.whole.candidate_series, strict=True):
        if not np.isfinite(series.values).all():
            yield f"{series.name} of {run.source} is NaN or infinite: repair the training"
    for doubt in _doubts(comparison):
        yield f"the candidate's data are not sufficient for a baseline: {doubt}"
    if comparison.verdict is not Verdict.FAIL:
        yield f"the data cannot decide whether the candidate differs ({first}): run more seeds"
    yield from _too_short(comparison)
    yield from _too_few(comparison)
    mixture = mixed(comparison.candidate, allow=comparison.policy.allow)
    if mixture:
        yield f"the candidate's runs are not one experiment: {mixture}"


def _doubts(comparison: Comparison) -> Iterator[str]:
    """Yields doubts on the candidate's data, without those on records far from the old baseline.

    A candidate that differs lies far from it everywhere. So each candidate run is compared with the
    others instead, however few, which shows a spike or a hang of one of them. This comes
    first: after a spike, the other runs seem to follow each other, because they lack it.
    """
    runs = comparison.candidate
    for run in runs:
        others = [other for other in runs if other is not run] or [run]
        aligned = align(
            others, [run], metric=comparison.aligned.metric, rank=comparison.policy.rank
        )
        yield from check_records(others, [run], with_auxiliary(aligned, others, [run])).doubts
    old = check_records(comparison.baseline, comparison.candidate, comparison.aligned).doubts
    yield from (doubt for doubt in comparison.judgement.doubts if doubt not in old)


def _too_short(comparison: Comparison) -> Iterator[str]:
    """Yields that a candidate ends before the baseline, which a judged part would not show."""
    whole = comparison.whole
    last = min(int(s.steps[-1]) for s in whole.candidate_series)
    expected = max(int(s.steps[-1]) for s in whole.baseline_series)
    if last < expected:
        yield (
            f"a candidate run ends at {whole.place} {last}, and the baseline at {expected}: train "
            "it to the end"
        )


def _too_few(comparison: Comparison) -> Iterator[str]:
    have, old = len(comparison.candidate), len(comparison.baseline)
    needed = min(old, FEWEST)
    if have < needed:
        yield (
            f"{counted(have, 'candidate run')}, and the baseline has {old}: train {needed - have} "
            "more with other seeds, so that the new baseline shows the spread between seeds"
        )
    ours, theirs = map(len, comparison.perturbed)
    if theirs < ours:
        yield (
            f"{counted(theirs, 'perturbed run')} of the candidate, and the baseline has {ours}: "
            "record as many (--perturb), so that the new baseline shows its rounding"
        )
