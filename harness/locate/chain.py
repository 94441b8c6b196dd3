"""How limits go on from the inputs of a tensor to the tensor; see `distance.py`.

Letters: P pairs of records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.locate.capture import Record
from harness.locate.distance import LARGEST, factor_of
from harness.log.arrays import Floats

Inputs = tuple[tuple[int, ...], ...]
COPIES = ("module", "loss", "gradient", "update")
"""Kinds whose tensor an operator made: as it is, or as a multiple."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """What the limits of P pairs are made of, each (P,), absolute unless their name says otherwise.

    `size` and `smaller` are the larger and the smaller norm, `floor` is relative. `twin` is the
    largest distance of a twin, `loose` marks a twin that differs from its own run by half or
    more. `apart` is the distance of both sides, `rest` that without elements that ties moved.
    `twins` counts the moved twins.
    """

    records: Sequence[Record]
    inputs: Inputs
    size: Floats
    smaller: Floats
    floor: Floats
    twin: Floats
    loose: NDArray[np.bool_]
    apart: Floats
    rest: Floats
    twins: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """What goes on from input to output, each (P,).

    `envelope` is relative. `coarsest` is the floor of the coarsest format so far, `factor` that of
    the limit. `source` is the norm of what a tensor was summed from; its rounding is that of a
    tensor that is `zero_like`.
    """

    envelope: Floats
    coarsest: Floats
    factor: Floats
    source: Floats
    zero_like: NDArray[np.bool_]


def chained(pair: Links) -> Chain:
    """Returns envelope and source of every pair, from those of its inputs.

    A zero-like tensor passes on the envelope of its inputs, and the norm that they were summed
    from. What a tie moved goes on into everything behind it.
    """
    count = len(pair.records)
    envelope, coarsest, source = np.array(pair.floor), np.array(pair.floor), np.array(pair.size)
    passed, factor = np.array(pair.floor), np.zeros(count)
    zero = np.zeros(count, dtype=bool)
    for p in range(count):
        if pair.inputs[p]:
            envelope[p] = max(envelope[p], *(passed[q] for q in pair.inputs[p]))
            coarsest[p] = max(coarsest[p], *(coarsest[q] for q in pair.inputs[p]))
            source[p] = _source(pair, p, source, zero)
        factor[p] = factor_of(pair.records[p].step, pair.twins, coarsest[p])
        zero[p] = _is_zero_like(pair, p, source[p])
        if not zero[p] and pair.size[p] > 0:
            envelope[p] = max(envelope[p], pair.twin[p] / pair.size[p])
        passed[p] = max(envelope[p], min(_jump(pair, p, factor[p] * envelope[p]), LARGEST))
    return Chain(envelope=envelope, coarsest=coarsest, factor=factor, source=source, zero_like=zero)


def _jump(pair: Links, p: int, limit: float) -> float:
    """Returns the relative distance that ties moved a pair by, 0 if it is within its limit."""
    size = pair.size[p]
    if not limit * size < pair.apart[p] or not pair.rest[p] <= limit * size:
        return 0.0
    return float(pair.apart[p] / size)


def _source(pair: Links, p: int, source: Floats, zero: NDArray[np.bool_]) -> float:
    """Returns the norm of what a tensor was summed from.

    A gradient is linear in the gradients that it was made from, so only those count for it: the
    activations and weights beside them may have any other scale. The gradient of a parameter, and
    the output of a module, are the tensor that an operator made; an update is a multiple of it.
    """
    record, inputs = pair.records[p], pair.inputs[p]
    if record.kind in COPIES:
        gain = max(source[q] / pair.size[q] if pair.size[q] > 0 else 1.0 for q in inputs)
        return float(pair.size[p] * gain)
    alike = [q for q in inputs if pair.records[q].phase == record.phase] or inputs
    return float(max(pair.size[p], *(source[q] if zero[q] else pair.size[q] for q in alike)))


def _is_zero_like(pair: Links, p: int, source: float) -> bool:
    """Returns whether a tensor is zero but for rounding.

    A twin shows it. Where twins are absent, or closer than rounding, a gradient that is smaller
    than the rounding of what it was summed from is zero-like, too; so is a tensor that is exactly
    zero on one side and as small on the other.
    """
    size, twin = pair.size[p], pair.twin[p]
    if pair.loose[p]:
        return True
    if pair.smaller[p] == 0:
        return bool(size <= pair.floor[p] * source)
    backward = pair.records[p].phase == "backward" or pair.records[p].kind in COPIES
    return bool(backward and twin <= pair.floor[p] * size and size <= pair.floor[p] * source)
