"""Finds candidates that are not independent runs but follow a run of the baseline.

Runs of different seeds share their trend only: their changes from record to record are independent
noise. A log that was copied and then rounded, scaled or slightly perturbed keeps those changes. The
check correlates the changes after it removes what the baseline's runs share (the trend, the order
of the data). It does so over the whole curve, over its quarters, and over every second record,
which also reveals a copy of half a curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.arrays import Floats
from harness.log.run import Run

Places = NDArray[np.int64]

ALL, SECOND = "all", "every second"
_TOP = 1 - 1e-15  # atanh(1) is infinite
FEWEST = 24
"""Number of changes below which no correlation is computed."""
STRETCHES = 4
SHIFTS = (0, -1, 1)
"""Shifts of the whole curve that are tried, in records: a counter may be off by one."""
CLOSE = 0.6
"""Correlation of changes from which on one curve follows another."""
LOCAL = 15
"""Changes over which their usual size is averaged."""
CUT = 5.0
"""Usual sizes at which a change is clipped."""
HUGE = 1e6
"""Multiple of the baseline's size at which a candidate's record is clipped."""
CLEARLY = 5.0
"""Standard errors by which the correlation must exceed that of the closest pair of baseline runs
(Fisher's z, 1 / sqrt(n - 3)). The margin is wide because a candidate is tested by about 150
correlations against ten baseline runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """The place of the baseline run that a candidate follows, how closely, and on which part."""

    run: int
    correlation: float
    part: str


def follows(baseline: Floats, candidate: Floats) -> Follows | None:
    """Returns which of the baseline's curves (B, n) a candidate's curve (n,) follows, or None.

    The correlation must be `CLOSE` or more, and clearly exceed that of any two baseline curves on
    the same part, which may correlate because they read the data in the same order. Curves must be
    finite.
    """
    best: Follows | None = None
    for name, ours, theirs in _parts(candidate.size):
        if theirs.size <= FEWEST:
            continue
        base, cand = _changes(baseline[:, ours], candidate[theirs])
        if not cand.std() > 0:
            continue
        clear = math.atanh(min(_among(base), _TOP)) + CLEARLY / math.sqrt(cand.size - 3)
        correlations = _correlations(base, cand)
        i = int(correlations.argmax())
        closest = float(correlations[i])
        if closest < CLOSE or math.atanh(min(closest, _TOP)) <= clear:
            continue
        if best is None or closest > best.correlation:
            best = Follows(run=i, correlation=closest, part=name)
        if name == ALL:
            break  # a match of the whole curve is the clearest message
    return best


def _changes(baseline: Floats, candidate: Floats) -> tuple[Floats, Floats]:
    """Returns the scaled changes from record to record of both sides, (B, n - 1) and (n - 1,).

    With two baseline runs or more their mean change is removed. Changes are in units of the usual
    change around each place, clipped at `CUT`, so that a few large changes at the start do not
    decide.
    """
    base, cand = np.diff(baseline, axis=1), np.diff(np.clip(candidate, -HUGE, HUGE))
    if len(base) > 1:
        shared = base.mean(axis=0)
        base, cand = base - shared, cand - shared
    usual = np.median(np.abs(base), axis=0) if len(base) > 1 else np.abs(base[0])
    scale = np.convolve(usual, np.ones(LOCAL) / LOCAL, mode="same")
    scale = np.where(scale > 0, scale, 1.0)
    return np.clip(base / scale, -CUT, CUT), np.clip(cand / scale, -CUT, CUT)


def _parts(n: int) -> Iterator[tuple[str, Places, Places]]:
    """Yields the name of a part, and the places (m,) of the records to compare on both sides."""
    every = np.arange(n)
    for shift in SHIFTS:
        stay, move = every[: n - abs(shift)], every[abs(shift) :]
        yield ALL, *((stay, move) if shift >= 0 else (move, stay))
    for half in (every[::2], every[1::2]):
        yield SECOND, half, half
    for part in np.array_split(every, STRETCHES):
        if part.size:
            yield f"{part[0]}-{part[-1]}", part, part


def _correlations(base: Floats, cand: Floats) -> Floats:
    """Returns Pearson's r of each row (B, m) with a curve's changes (m,); 0 for a constant row."""
    rows = base - base.mean(axis=1, keepdims=True)
    curve = cand - cand.mean()
    top = np.abs(rows).max(axis=1, keepdims=True)
    rows = rows / np.where(top > 0, top, 1.0)
    curve = curve / (float(np.abs(curve).max()) or 1.0)
    norms = np.sqrt((rows**2).sum(axis=1)) * math.sqrt(float(curve @ curve))
    r: Floats = np.where(norms > 0, rows @ curve / np.where(norms > 0, norms, 1.0), 0.0)
    return r


def _among(rows: Floats) -> float:
    """Returns the largest correlation of two different rows (B, m); 0 for a single row."""
    pairs = [_correlations(rows[i + 1 :], rows[i]) for i in range(len(rows) - 1)]
    closest = [float(r.max()) for r, row in zip(pairs, rows, strict=False) if row.std() > 0]
    return max([0.0, *closest])


def copied(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> tuple[str, ...]:
    """Returns one line for each candidate run that follows another run.

    A single baseline run does not show how similar two runs of this training are. In that case only
    runs that state different seeds are checked.
    """
    remarks = []
    if not np.isfinite(aligned.baseline).all():
        return ()
    size = float(max(np.abs(aligned.baseline).max(), np.finfo(float).tiny))
    with np.errstate(over="ignore"):  # curves that overflow are left out below
        base_curves, curves = aligned.baseline / size, aligned.candidate / size
    finite = [i for i in range(len(curves)) if np.isfinite(curves[i]).all()]
    for place in finite:
        run, earlier = candidate[place], [i for i in finite if i < place]
        match = follows(np.vstack([base_curves, curves[earlier]]), curves[place])
        if match is None:
            continue
        base = [*baseline, *(candidate[i] for i in earlier)][match.run]
        if len(baseline) == 1 and not _other_seed(base, run):
            continue
        remarks.append(_text(base, run, aligned, match))
    return tuple(remarks)


def _other_seed(base: Run, run: Run) -> bool:
    ours, theirs = base.facts.get("seed"), run.facts.get("seed")
    return ours is not None and theirs is not None and ours != theirs


def _text(base: Run, run: Run, aligned: Aligned, match: Follows) -> str:
    where = {ALL: "", SECOND: " on every second step"}.get(match.part)
    if where is None:
        first, last = (int(aligned.steps[int(i)]) for i in match.part.split("-"))
        where = f" on steps {first} to {last}"
    head = (
        f"{run.source} follows {base.source}{where} (the changes of {aligned.metric} from step to "
        f"step correlate by {match.correlation:.3f}), more closely than any two baseline runs "
        "follow each other"
        if aligned.baseline.shape[0] > 1
        else f"{run.source} follows {base.source}{where} (the changes of {aligned.metric} from "
        f"step to step correlate by {match.correlation:.3f}), although they state different seeds"
    )
    if base.facts.get("seed") is not None and base.facts.get("seed") == run.facts.get("seed"):
        return (
            f"{head}: both state seed {run.facts['seed']}, so it repeats that run and is not "
            "another seed. Compare it with that run alone, or run the candidate with another seed"
        )
    return (
        f"{head}: it is not an independent run. Check where its figures come from, and run the "
        "candidate with another seed"
    )
