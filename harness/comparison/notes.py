"""The notes of a comparison: remarks without influence on the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.align.aligned import Aligned
from harness.align.comparable import Comparability, weighty_unknowns
from harness.align.start import stated
from harness.align.windows import joined
from harness.log.run import Run, Series
from harness.log.wording import counted

ANOTHER_UNIT = 8.0
"""Ratio of the mean levels from which on different units are more likely than a difference in
training."""


def notes_on(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    rows: Sequence[Comparability],
    *,
    whole: Aligned,
    judged: Aligned,
    choices: Sequence[tuple[Series, ...]],
) -> tuple[str, ...]:
    """Returns the notes on a comparison.

    `choices` are the judged series of each run by window; `whole` has all common steps.
    """
    return (
        *_notes(rows, whole, judged),
        *_start_notes(baseline, candidate),
        *_joined(choices, whole),
        *_progress("baseline", baseline),
        *_progress("candidate", candidate),
    )


def _notes(rows: Sequence[Comparability], aligned: Aligned, judged: Aligned) -> list[str]:
    notes = []
    seeds = next(row for row in rows if row.fact == "seed")
    if seeds.kind == "may_differ":
        notes.append(
            f"seeds differ ({seeds.baseline} and {seeds.candidate}): data order and dropout "
            "differ, so step-by-step agreement is not expected"
        )
    waived = [row.fact for row in rows if row.waived]
    if waived:
        notes.append(f"these facts differ, as allowed: {', '.join(waived)}")
    unknown = [row.fact for row in weighty_unknowns(rows)]
    if unknown:
        notes.append(f"not compared, because a side does not state them: {', '.join(unknown)}")
    if judged.steps.size < aligned.steps.size:
        nonfinite = np.flatnonzero(~np.isfinite(aligned.candidate).all(axis=0))
        outside = np.setdiff1d(aligned.steps[nonfinite], judged.steps)
        if outside.size:
            notes.append(
                f"outside the judged part the candidate is NaN or infinite on "
                f"{counted(outside.size, 'step')}, the first is step {outside[0]}"
            )
    unit = _unit(judged)
    if unit:
        notes.append(unit)
    if aligned.lag:
        later = "late" if aligned.lag > 0 else "early"
        notes.append(
            f"the candidate follows the baseline {counted(abs(aligned.lag), 'step')} {later} (lag "
            f"{aligned.lag:+d}); check whether the step counters differ. Nothing was shifted"
        )
    if aligned.left_out:
        others = ", ".join(f"{w} ({counted(n, 'common record')})" for w, n in aligned.left_out)
        notes.append(
            f"{aligned.metric} is judged as means of {counted(aligned.window, 'step')}, which have "
            f"the most common records ({aligned.steps.size}); also logged as means of {others}"
        )
    if aligned.missing.size:
        notes.append(
            f"one side lacks {counted(aligned.missing.size, 'step')} within the common range"
        )
    return notes


def _start_notes(baseline: Sequence[Run], candidate: Sequence[Run]) -> list[str]:
    """That one side alone states its start."""
    lacking = without_start(baseline, candidate)
    return [f"the {lacking} does not state its start"] if lacking else []


def without_start(baseline: Sequence[Run], candidate: Sequence[Run]) -> str:
    """Returns the side that does not state its start while the other does; empty otherwise."""
    sides = {"baseline": stated(baseline), "candidate": stated(candidate)}
    if len(set(sides.values())) == 1:
        return ""
    return next(side for side, states in sides.items() if not states)


def _joined(choices: Sequence[tuple[Series, ...]], aligned: Aligned) -> list[str]:
    """That means of both sides were joined to means over one interval."""
    windows = joined(choices, aligned.window)
    if not windows:
        return []
    return [
        f"{aligned.metric} is compared as means of {aligned.window} steps, the shortest interval "
        f"that whole means of both sides fill (logged are means of "
        f"{' and '.join(map(str, windows))} steps); no record is split or interpolated"
    ]


def _unit(judged: Aligned) -> str:
    """Returns a note if the levels differ so much that the sides seem to log in other units."""
    with np.errstate(all="ignore"):
        base, cand = float(judged.baseline_mean.mean()), float(judged.candidate_mean.mean())
        times = float(np.float64(cand) / base)
    if not (times > 0 and math.isfinite(times)):
        return ""
    high, low = ("candidate", "baseline") if times > 1 else ("baseline", "candidate")
    size = max(times, 1 / times)
    if size < ANOTHER_UNIT:
        return ""
    return (
        f"the {high}'s {judged.metric} is about {size:.3g} times the {low}'s: check whether one "
        "side logs another unit, or a sum and the other a mean"
    )


def _progress(side: str, runs: Sequence[Run]) -> list[str]:
    """Returns a note on each log that ends before the planned number of steps."""
    notes = []
    for run in runs:
        planned = run.facts.get("planned_steps")
        logged = max(int(s.steps[-1]) for s in run.series) + 1
        if isinstance(planned, int) and logged < planned:
            notes.append(
                f"{side} {run.source} stops at step {logged} of {planned} planned "
                f"({logged / planned:.1%} of the run)"
            )
    return notes
