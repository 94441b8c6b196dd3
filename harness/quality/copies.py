"""Is a candidate an independent run, or does it follow one of the baseline's?

Two runs of different seeds share their trend and nothing else: the changes from record to record
are noise of their own. A log that was copied, rounded, scaled or stirred a little keeps those
changes. Asked is the correlation of the changes, less what the baseline's runs share (trend, data
read in one order), over the whole curve, over stretches of it, and over every second record, so
that half a copy shows too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.run import Run

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

ALL, SECOND = "all", "every second"
_TOP = 1 - 1e-15
FEWEST = 24
"""Changes below which a correlation is not asked for."""
STRETCHES = 4
SHIFTS = (0, -1, 1)
"""Records by which the whole curve is tried against the baseline's: a counter may be off by one."""
CLOSE = 0.6
"""Correlation of changes from which one curve follows another."""
LOCAL = 15
"""Changes over which their usual size is taken."""
CUT = 5.0
HUGE = 1e6
"""Times the baseline's size at which a candidate's record is cut."""
CLEARLY = 5.0
"""Standard errors by which it must exceed the closest pair of the baseline's own runs (Fisher's z,
1 / sqrt(n - 3)). Some 150 correlations are asked of a candidate of ten baseline runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """The baseline run (its place) that a candidate follows, how closely, and on which part."""

    run: int
    correlation: float
    part: str


def follows(baseline: Floats, candidate: Floats) -> Follows | None:
    """Which of the baseline's curves (B, n) a candidate's (n,) follows; None if none.

    It must correlate by `CLOSE` or more, and clearly more than any two of the baseline's curves do
    on the same part, which data read in one order make alike. Curves must be finite.
    """
    best: Follows | None = None
    for name, ours, theirs in _parts(candidate.size):
        if theirs.size <= FEWEST:
            continue
        moves, own = _changes(baseline[:, ours], candidate[theirs])
        if not own.std() > 0:
            continue
        clear = math.atanh(min(_among(moves), _TOP)) + CLEARLY / math.sqrt(own.size - 3)
        correlations = _correlations(moves, own)
        i = int(correlations.argmax())
        closest = float(correlations[i])
        if closest < CLOSE or math.atanh(min(closest, _TOP)) <= clear:
            continue
        if best is None or closest > best.correlation:
            best = Follows(run=i, correlation=closest, part=name)
        if name == ALL:
            break  # the whole curve says it best
    return best


def _changes(baseline: Floats, candidate: Floats) -> tuple[Floats, Floats]:
    """Changes from record to record of both sides, (B, n - 1) and (n - 1,), of one size throughout.

    Less the mean change of several baseline runs, in units of the usual change around each place,
    and cut at `CUT` of them: else a few large ones, at the start, would decide.
    """
    moves, own = np.diff(baseline, axis=1), np.diff(np.clip(candidate, -HUGE, HUGE))
    if len(moves) > 1:
        shared = moves.mean(axis=0)
        moves, own = moves - shared, own - shared
    usual = np.median(np.abs(moves), axis=0) if len(moves) > 1 else np.abs(moves[0])
    scale = np.convolve(usual, np.ones(LOCAL) / LOCAL, mode="same")
    scale = np.where(scale > 0, scale, 1.0)
    return np.clip(moves / scale, -CUT, CUT), np.clip(own / scale, -CUT, CUT)


def _parts(n: int) -> Iterator[tuple[str, Places, Places]]:
    """Places (m,) of the baseline's and the candidate's records that are compared, with a name."""
    every = np.arange(n)
    for shift in SHIFTS:
        stay, move = every[: n - abs(shift)], every[abs(shift) :]
        yield ALL, *((stay, move) if shift >= 0 else (move, stay))
    for half in (every[::2], every[1::2]):
        yield SECOND, half, half
    for part in np.array_split(every, STRETCHES):
        if part.size:
            yield f"{part[0]}-{part[-1]}", part, part


def _correlations(moves: Floats, own: Floats) -> Floats:
    """Pearson's r of each row (B, m) with one curve's changes (m,); 0 where a row is constant."""
    rows = moves - moves.mean(axis=1, keepdims=True)
    mine = own - own.mean()
    top = np.abs(rows).max(axis=1, keepdims=True)
    rows = rows / np.where(top > 0, top, 1.0)
    mine = mine / (float(np.abs(mine).max()) or 1.0)
    norms = np.sqrt((rows**2).sum(axis=1)) * math.sqrt(float(mine @ mine))
    found: Floats = np.where(norms > 0, rows @ mine / np.where(norms > 0, norms, 1.0), 0.0)
    return found


def _among(moves: Floats) -> float:
    """The closest correlation of two different rows (B, m); 0 for a single one."""
    pairs = [_correlations(moves[i + 1 :], moves[i]) for i in range(len(moves) - 1)]
    found = [float(r.max()) for r, row in zip(pairs, moves, strict=False) if row.std() > 0]
    return max([0.0, *found])


def copied(baseline: Sequence[Run], candidate: Sequence[Run], aligned: Aligned) -> tuple[str, ...]:
    """Candidate runs that follow one baseline run, one line each.

    With one baseline run nothing shows how alike two runs of this training are. Then only runs that
    state different seeds are asked.
    """
    found = []
    if not np.isfinite(aligned.baseline).all():
        return ()
    size = float(max(np.abs(aligned.baseline).max(), np.finfo(float).tiny))
    with np.errstate(over="ignore"):  # what overflows is not sound
        base_curves, curves = aligned.baseline / size, aligned.candidate / size
    sound = [i for i in range(len(curves)) if np.isfinite(curves[i]).all()]
    for place in sound:
        run, earlier = candidate[place], [i for i in sound if i < place]
        match = follows(np.vstack([base_curves, curves[earlier]]), curves[place])
        if match is None:
            continue
        base = [*baseline, *(candidate[i] for i in earlier)][match.run]
        if len(baseline) == 1 and not _other_seed(base, run):
            continue
        found.append(_text(base, run, aligned, match))
    return tuple(found)


def _other_seed(base: Run, run: Run) -> bool:
    ours, theirs = base.facts.get("seed"), run.facts.get("seed")
    return ours is not None and theirs is not None and ours != theirs


def _text(base: Run, run: Run, aligned: Aligned, match: Follows) -> str:
    where = {ALL: "", SECOND: " on every second step"}.get(match.part)
    if where is None:
        first, last = (int(aligned.steps[int(i)]) for i in match.part.split("-"))
        where = f" on steps {first} to {last}"
    head = (
        f"{run.source} follows {base.source}{where} (its {aligned.metric} moves from step to step "
        f"as that one's does, correlation {match.correlation:.3f}), as no two baseline runs follow "
        "each other"
        if aligned.baseline.shape[0] > 1
        else f"{run.source} follows {base.source}{where} (correlation {match.correlation:.3f} of "
        f"the moves of its {aligned.metric}), although they state different seeds"
    )
    if base.facts.get("seed") is not None and base.facts.get("seed") == run.facts.get("seed"):
        return (
            f"{head}: both state seed {run.facts['seed']}, so it is that run's repetition, not one "
            "more seed. Compare it with that run alone, or run the candidate with another seed"
        )
    return (
        f"{head}: not an independent run. Check where its figures come from, and run the candidate "
        "with a seed of its own"
    )
