"""Losses of several processes at one step, which nothing in the log tells apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.parse.names import is_loss, is_validation
from harness.parse.sources import LINES, Key
from harness.parse.track import Track

MIN_ALIKE = 0.5
"""Part of the steps that must have the same number of records: processes print as often as one
another, while a bar that is drawn again, or a resumed run, repeats steps irregularly."""

STUCK = 4
"""Records from which on a step that never changes is a counter that was not read."""


def refusals(tracks: Mapping[Key, Track]) -> dict[str, str]:
    """Returns why the losses of a format cannot be used, by the name of the format.

    The grammar of lines knows more of its lines, and looks for itself.
    """
    reasons: dict[str, str] = {}
    for (reader, name, _, _), track in tracks.items():
        if reader == LINES or not is_loss(name) or is_validation(name):
            continue
        reason = _several(name, track.steps.numbers(), track.values.numbers())
        if reason:
            reasons.setdefault(reader, reason)
    return reasons


def _several(name: str, steps: NDArray[np.int64], values: NDArray[np.float64]) -> str:
    """Why the records (n,) of a series, in the order of the log, are those of several processes."""
    same = steps[1:] == steps[:-1]
    if not same.any():
        return ""
    known = ~np.isnan(values)
    differ = same & (values[1:] != values[:-1]) & known[1:] & known[:-1]
    again = int(np.count_nonzero(differ))
    starts = np.concatenate([[0], np.flatnonzero(~same) + 1, [steps.size]])
    sizes, counts = np.unique(np.diff(starts), return_counts=True)
    if again < 2 or sizes[counts.argmax()] < 2 or counts.max() < MIN_ALIKE * counts.sum():
        return ""
    first = int(np.flatnonzero(differ)[0])
    pair = f"{name} {values[first]:g} and {values[first + 1]:g} at step {steps[first]}"
    return untold(again, pair, records=steps.size)


def untold(again: int, example: str, *, records: int) -> str:
    """Returns the error on processes that cannot be told apart, or on a counter that stays.

    `again` of the `records` state another loss for the step of the record before; `example`
    describes the first.
    """
    if again + 1 >= max(records, STUCK):
        return (
            f"all {records} records are at one step (first: {example}); expected a counter that "
            "rises. The counter of these lines was probably not read: read it with --pattern. If "
            "several processes write the log, print the rank (`[rank1]:` before a line)."
        )
    return (
        f"{again} records state another loss for the step of the record before (first: {example}); "
        "expected one loss a step of each process. If several processes write the log, print the "
        "rank (`[rank1]:` before a line, a key or column `rank`; in a pattern a group `rank`), or "
        "give the log of one process. If the lines are of an evaluation, or state another counter, "
        "read those of training alone with --pattern."
    )
