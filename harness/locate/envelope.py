"""The limits of all pairs of two captures, from their twins; see `distance.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.locate.capture import Capture, Record
from harness.locate.distance import (
    FACTOR,
    GROSS,
    STORED,
    ZERO_LIKE,
    Distances,
    Spread,
    apart,
    factor_of,
    floor_of,
    inputs_of,
    ties,
)
from harness.locate.match import match
from harness.log.arrays import Floats

Inputs = tuple[tuple[int, ...], ...]


def spread(capture: Capture, twins: Sequence[Capture]) -> Spread:
    """Returns how far the twins of a capture are from it."""
    count = len(capture.records)
    moved, repeated = np.full(count, np.nan), np.zeros(count)
    for twin in twins:
        pairs = match(capture, twin).pairs
        here = pairs[:, 0]
        distance = apart(capture, twin, pairs)
        if twin.moved:
            moved[here] = np.fmax(moved[here], distance)
        else:
            repeated[here] = np.maximum(repeated[here], distance)
    return Spread(moved=moved, repeated=repeated, twins=sum(twin.moved for twin in twins))


def distances(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], spreads: tuple[Spread, Spread]
) -> Distances:
    """Returns the distances of all pairs (P, 2), and their limits by the twins of both sides."""
    i, j = pairs.T
    size = np.maximum(ours.norms[i], theirs.norms[j])
    inputs = inputs_of(ours, theirs, pairs)
    mine = [ours.records[n] for n in i]
    floor = np.array(
        [floor_of(a.dtype, theirs.records[n].dtype) for a, n in zip(mine, j, strict=True)]
    )
    twin = np.fmax(
        *(np.fmax(s.moved[n], s.repeated[n]) for s, n in zip(spreads, (i, j), strict=True))
    )
    twin = np.where(np.isnan(twin), 0.0, twin)
    twins = spreads[0].twins + spreads[1].twins
    factor = np.array([factor_of(record.step, twins) for record in mine])
    found = apart(ours, theirs, pairs)
    tied = ties(ours, theirs, pairs)
    zero_like = _zero_like(ours, theirs, pairs, twin)
    source = _size_of_inputs(mine, size, inputs)
    carried = _carried(
        twin, size, floor, inputs, zero_like=zero_like, jumps=np.where(tied, found, 0.0) / factor
    )
    parts = (twin, carried * size, floor * np.where(zero_like, source, 0.0))
    limit = factor * np.maximum.reduce([*parts, STORED * floor * _stored(ours, pairs)])
    limit = np.where(tied, np.maximum(limit, found), limit)
    gross = np.maximum(GROSS * limit, FACTOR * floor * source)
    return Distances(
        apart=found, limit=limit, gross=gross, size=size, tied=tied & (found > 0), inputs=inputs
    )


def _zero_like(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], twin: Floats
) -> NDArray[np.bool_]:
    """Returns which pairs (P,) are zero but for rounding, on a side or in a twin."""
    norms = ours.norms[pairs[:, 0]], theirs.norms[pairs[:, 1]]
    found: NDArray[np.bool_] = (twin >= ZERO_LIKE * norms[0]) | (np.minimum(*norms) == 0)
    return found


def _size_of_inputs(records: Sequence[Record], size: Floats, inputs: Inputs) -> Floats:
    """Returns the largest norm (P,) of what each tensor was made from.

    A gradient is linear in the gradients that it was made from, so only those count for it. The
    activations and weights beside them may have any other scale.
    """
    found = np.array(size)
    for p, record in enumerate(records):
        alike = [q for q in inputs[p] if records[q].phase == record.phase] or inputs[p]
        found[p] = max((float(size[q]) for q in alike), default=0.0)
    return np.maximum(found, size)


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


def _carried(
    twin: Floats,
    size: Floats,
    floor: Floats,
    inputs: Inputs,
    *,
    zero_like: NDArray[np.bool_],
    jumps: Floats,
) -> Floats:
    """Returns the relative envelope (P,) of each pair with that of its inputs.

    `jumps` (P,) are the distances by ties, which go on into everything behind them.
    """
    safe = np.where(size > 0, size, 1.0)
    own = np.where(zero_like | ~np.isfinite(twin), 0.0, twin / safe)
    found = np.maximum(floor, np.minimum(np.maximum(own, jumps / safe), ZERO_LIKE))
    for p, sources in enumerate(inputs):
        if sources:
            found[p] = max(found[p], *(found[q] for q in sources))
    return found
