"""The limits of all pairs of two captures, from their twins; see `distance.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import AlignmentError
from harness.locate.capture import START, Capture
from harness.locate.chain import Links, chained
from harness.locate.distance import (
    FACTOR,
    GROSS,
    LARGEST,
    REPEATED,
    STEADY,
    STORED,
    Distances,
    Spread,
    apart,
    floor_of,
    inputs_of,
    without_ties,
)
from harness.locate.match import match
from harness.log.arrays import Floats


def spread(capture: Capture, twins: Sequence[Capture]) -> Spread:
    """Returns how far the twins of a capture are from it.

    Raises:
        AlignmentError: a twin is of another network, or did not begin from the same start.
    """
    count = len(capture.records)
    moved, repeated = np.full(count, np.nan), np.zeros(count)
    computed: set[int] = set()
    for twin in twins:
        pairs = match(capture, twin).pairs
        here = pairs[:, 0]
        distance = apart(capture, twin, pairs)
        _check_twin(capture, twin, here, distance)
        computed.update(
            i for i, k in pairs.tolist() if capture.records[i].settings != twin.records[k].settings
        )
        if twin.moved:
            moved[here] = np.fmax(moved[here], distance)
        else:
            repeated[here] = np.maximum(repeated[here], distance)
    return Spread(
        moved=moved,
        repeated=repeated,
        twins=sum(twin.moved for twin in twins),
        computed=frozenset(computed),
    )


def _check_twin(capture: Capture, twin: Capture, here: NDArray[np.int64], distance: Floats) -> None:
    """Refuses a twin that cannot be a repetition, such as one that an older recording left."""
    count = len(capture.records)
    start = np.array([capture.records[n].kind in START for n in here], bool)
    far = distance[start] > LARGEST * capture.norms[here[start]]
    if len(here) >= REPEATED * count and not far.any():
        return
    what = (
        f"{int(far.sum())} of its weights and inputs differ"
        if far.any()
        else f"it has {len(here)} of the {count} records"
    )
    raise AlignmentError(
        f"not a repetition of {capture.source or 'the run'}: {what}; remove it, or record the run "
        "and its twins again",
        source=twin.source or "twin",
    )


def distances(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], spreads: tuple[Spread, Spread]
) -> Distances:
    """Returns the distances of all pairs (P, 2), and their limits by the twins of both sides."""
    i, j = pairs.T
    records = [ours.records[n] for n in i]
    size = np.maximum(ours.norms[i], theirs.norms[j])
    floor = np.array(
        [floor_of(a.dtype, theirs.records[n].dtype) for a, n in zip(records, j, strict=True)]
    )
    twins = spreads[0].twins + spreads[1].twins
    found = apart(ours, theirs, pairs)
    pair = Links(
        records=records,
        inputs=inputs_of(ours, theirs, pairs),
        size=size,
        smaller=np.minimum(ours.norms[i], theirs.norms[j]),
        floor=floor,
        twin=_twin_of(spreads, pairs),
        loose=_loose(ours, theirs, pairs, spreads),
        apart=found,
        rest=without_ties(ours, theirs, pairs),
        twins=twins,
    )
    chain = chained(pair)
    factor = chain.factor
    parts = (pair.twin, chain.envelope * size, STORED * floor * _stored(ours, pairs))
    limit = factor * np.maximum(
        np.maximum.reduce(parts), chain.envelope * np.where(chain.zero_like, chain.source, 0.0)
    )
    start = np.array([record.kind in START and record.step == 0 for record in records], bool)
    limit = np.where(start, FACTOR * floor * size, limit)  # a twin's start was moved on purpose
    tied = (found > limit) & (pair.rest <= limit)
    limit = np.where(tied, found, limit)
    if twins:
        rounding = factor * floor * np.maximum(STORED * _stored(ours, pairs), chain.source)
        lost = (pair.smaller == 0) & (size > rounding) & (pair.twin <= STEADY * size)
        limit = np.where(lost, np.minimum(limit, STEADY * size), limit)
    return Distances(
        apart=found,
        limit=limit,
        gross=np.maximum(GROSS * limit, FACTOR * chain.envelope * chain.source),
        size=size,
        tied=tied,
        inputs=pair.inputs,
    )


def _twin_of(spreads: tuple[Spread, Spread], pairs: NDArray[np.int64]) -> Floats:
    """Returns the largest distance (P,) of a twin of either side; 0 without one."""
    both = [np.fmax(s.moved[n], s.repeated[n]) for s, n in zip(spreads, pairs.T, strict=True)]
    found = np.fmax(*both)
    return np.where(np.isnan(found), 0.0, found)


def _loose(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], spreads: tuple[Spread, Spread]
) -> NDArray[np.bool_]:
    """Returns which pairs (P,) have a twin that differs from its own run by half or more."""
    found = np.zeros(len(pairs), dtype=bool)
    for capture, spread_, n in zip((ours, theirs), spreads, pairs.T, strict=True):
        moved = spread_.moved[n]
        found |= (moved > 0) & (moved >= STEADY * capture.norms[n])
    return found


def _stored(ours: Capture, pairs: NDArray[np.int64]) -> Floats:
    """Returns the norm (P,) of the weight behind an update, 0 for others.

    An update is the difference of two stored weights, each with its rounding.
    """
    weights: dict[str, float] = {}
    for n, record in enumerate(ours.records):
        if record.kind in {"weight", "buffer"}:
            weights.setdefault(record.name, float(ours.norms[n]))
    kinds = {"update", "buffer_update"}
    records = (ours.records[int(n)] for n in pairs[:, 0])
    return np.array([weights.get(r.name, 0.0) if r.kind in kinds else 0.0 for r in records])
