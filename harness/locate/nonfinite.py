"""Who made the first NaN or infinity: the record that is not finite although its inputs are."""

from __future__ import annotations

import numpy as np

from harness.locate.capture import PASSES, START, Capture
from harness.locate.match import Matched


def producers(ours: Capture, theirs: Capture, matched: Matched) -> dict[tuple[str, str], int]:
    """Returns the first record that makes a value that is not finite, by side and pass.

    A record that is not finite in equally many places on both sides is no producer, unless a loss
    or a gradient is not finite: an attention mask holds minus infinity on purpose.
    """
    found = {}
    for side, capture, column in (("baseline", ours, 0), ("candidate", theirs, 1)):
        alike = set() if _spoilt(capture) else _alike(ours, theirs, matched, column)
        for phase in PASSES:
            first = _first(capture, phase, alike)
            if first is not None:
                found[side, phase] = first
    return found


def _spoilt(capture: Capture) -> bool:
    """Returns whether a loss or a gradient of a side is not finite."""
    return any(
        record.kind in {"loss", "gradient"} and capture.nonfinite[i].any()
        for i, record in enumerate(capture.records)
    )


def both_spoilt(ours: Capture, theirs: Capture) -> bool:
    """Returns whether both sides have a loss or a gradient that is not finite."""
    return _spoilt(ours) and _spoilt(theirs)


def _alike(ours: Capture, theirs: Capture, matched: Matched, column: int) -> set[int]:
    """Returns the records of a side that its partner equals in the numbers of such values.

    A record without a partner counts if it has minus infinity alone, as a mask has.
    """
    i, j = matched.pairs.T
    same = (ours.nonfinite[i] == theirs.nonfinite[j]).all(axis=1)
    capture, alone = ((ours, matched.ours_only), (theirs, matched.theirs_only))[column]
    masks = {n for n in alone if not capture.nonfinite[n, :2].any()}
    return masks | set(matched.pairs[same, column].tolist())


def _first(capture: Capture, phase: str, alike: set[int]) -> int | None:
    """Returns the number of the first record of a pass that is not finite and whose inputs are."""
    spoilt = np.flatnonzero(capture.nonfinite.any(axis=1)).tolist()
    for i in spoilt:
        record = capture.records[i]
        if record.phase != phase or i in alike:
            continue
        if not record.made_from and record.kind not in {"operator", *START} and i != spoilt[0]:
            continue  # such as an update, which states nothing of what it was made from
        if not any(capture.nonfinite[n].any() and n not in alike for n in record.made_from):
            return int(i)
    return None


def words(capture: Capture, i: int) -> str:
    """Returns which values of a record are not finite: `3 NaN, 1 infinite`."""
    names = ("NaN", "infinite", "minus infinite")
    counts = zip(capture.nonfinite[i].tolist(), names, strict=True)
    return ", ".join(f"{number:,} {name}" for number, name in counts if number)
