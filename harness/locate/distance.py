"""How far two records are apart, and how far healthy ones may be.

Letters: P pairs of records.

A healthy device rounds in another way than the baseline. How far that drives a tensor depends on
the tensor: the output of a first layer moves by 1e-7 of its norm, a late gradient by 1e-4. Twins
show it, pair by pair: repetitions of a side whose weights and inputs were moved by a rounding. The
limit of a pair is

    factor x max(its distance in the twins, the envelope of its inputs, the floor of its format)

The envelope of the inputs is the largest of these figures among what the tensor was made from. It
keeps the limit of a single number, such as the loss, from depending on a lucky twin.

A tensor that is zero but for rounding, such as the gradient of a bias before batch norm, differs
from its twins by its whole norm. It is compared with the rounding of what it was made from, and it
widens no other limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.locate import names
from harness.locate.capture import Capture
from harness.log.arrays import Floats

FACTOR = 8.0
"""Times that a healthy device may be further from the baseline than a twin is. Other kernels add in
another order; a twin only moves the inputs."""
COARSE_FACTOR = 3.0
"""The same for tensors of 16 bits and what is made from them. There the rounding of the format
outweighs the order of sums, and it is the same on all devices."""
LATER = {1: 320.0, 2: 18.0}
"""The factor after the first step, by the number of twins; FACTOR from 3 twins on. There one
direction dominates all distances, so that they are the sizes of single normal numbers. A
candidate's exceeds the largest of the twins' by these factors in 2 of 1,000 healthy steps."""
FLOOR = {"float64": 1.2e-7, "float32": 5e-7, "float16": 1e-3, "bfloat16": 4e-3}
"""The smallest envelope by format: 4 units of rounding of float32, which long sums reach; 1 of
float16 and half a unit of bfloat16, which only store what was added in float32. Sketches are stored
in float32, so float64 has its unit."""
WHOLE = 1.2e-7
"""The floor of whole numbers and booleans: the rounding of their sketches."""
COARSE = 3.2e-2
"""The floor of other formats, such as those of 8 bits: half a unit of three bits."""
LARGEST = 0.1
"""Largest distance, as a fraction of the norm, that a twin's start may have, or a tie passes on."""
GROSS = 1000.0
"""Times the limit that a difference must exceed if no twin was recorded. Rounding grows by up to
three powers of ten from the first layer to the last gradient."""
STEADY = 0.5
"""Distance of the twins, as a fraction of the norm, up to which a tensor is there in all of them.
One that is then exactly zero on one side was lost, whatever the rounding of its inputs. Beyond, it
is zero but for rounding."""
TRIMMED = 8
"""Buckets of a sketch that single elements may fill, in an operator with ties."""
JUMP = 10.0
"""Size of such elements, in units of the root mean square of all."""
STORED = 0.25
"""Rounding of a stored weight, in floors. An update is the difference of two of them."""
REPEATED = 0.9
"""Least share of a capture's records that a twin must have."""
ANCESTORS = 64
"""Records that are kept as the inputs of a tensor."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """Figures of P pairs, each of shape (P,), absolute unless their name says otherwise.

    `apart` is the distance of candidate and baseline, infinite where they are not finite in equally
    many places. `limit` is the largest distance of healthy records. `size` is the larger norm.
    `gross` is the distance above which no twin is needed. `tied` pairs differ in few elements, by
    ties. `inputs` are the pairs that a pair was made from.
    """

    apart: Floats
    limit: Floats
    gross: Floats
    size: Floats
    tied: NDArray[np.bool_]
    inputs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """How far twins are from their run, for the R records of a capture.

    `moved` (R,) is the largest distance of a twin that was moved by a rounding; NaN where no twin
    has the record. `repeated` (R,) is that of exact repetitions; above 0 is not deterministic.
    `twins` counts the moved ones. `computed` are the records whose settings a twin does not repeat,
    because the program computes them from tensors.
    """

    moved: Floats
    repeated: Floats
    twins: int
    computed: frozenset[int] = frozenset()


def apart(ours: Capture, theirs: Capture, pairs: NDArray[np.int64], *, trimmed: int = 0) -> Floats:
    """Returns the distances (P,) of pairs (P, 2) of records, without the `trimmed` largest buckets.

    The distance is infinite where the numbers of NaN, infinity and minus infinity differ.
    """
    found = np.empty(len(pairs))
    block = 1 << 14  # 16 MiB of differences at once
    for at in range(0, len(pairs), block):
        i, j = pairs[at : at + block].T
        squares = (ours.sketches[i].astype(np.float64) - theirs.sketches[j]) ** 2
        if trimmed:
            squares = np.sort(squares, axis=1)[:, :-trimmed]
        found[at : at + block] = np.sqrt(squares.sum(axis=1))
        unlike = (ours.nonfinite[i] != theirs.nonfinite[j]).any(axis=1)
        found[at : at + block][unlike] = np.inf
    return found


def inputs_of(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64]
) -> tuple[tuple[int, ...], ...]:
    """Returns the pairs that each pair was made from on either side.

    A record without a partner passes on what it was made from itself.
    """
    sides = [
        _through(capture, {int(n): p for p, n in enumerate(pairs[:, side])})
        for side, capture in enumerate((ours, theirs))
    ]
    return tuple(
        tuple(sorted(p for p in sides[0][int(i)] | sides[1][int(j)] if p < here))
        for here, (i, j) in enumerate(pairs)
    )


def _through(capture: Capture, pair_of: dict[int, int]) -> list[frozenset[int]]:
    """Returns, for each record, the nearest pairs that it was made from.

    An update that states nothing was made from the gradient of its parameter.
    """
    found: list[frozenset[int]] = []
    gradients: dict[tuple[str, int], int] = {}
    for i, record in enumerate(capture.records):
        at, sources = (record.name, record.step), record.made_from
        if record.kind == "gradient":
            gradients[at] = i
        if record.kind == "update" and not sources and at in gradients:
            sources = (gradients[at],)
        nearest: set[int] = set()
        for n in sources:
            nearest |= {pair_of[n]} if n in pair_of else found[n]
            if len(nearest) > ANCESTORS:
                break
        found.append(frozenset(sorted(nearest)[-ANCESTORS:]))
    return found


def floor_of(*dtypes: str) -> float:
    """Returns the smallest envelope of a tensor that has these formats on the two sides."""
    return max(_floor(dtype) for dtype in dtypes)


def _floor(dtype: str) -> float:
    if dtype.startswith(("int", "uint", "bool", "long")):
        return WHOLE
    return FLOOR.get({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype), COARSE)


def factor_of(step: int, twins: int, floor: float) -> float:
    """Returns the factor of a limit in a step; `floor` is that of the coarsest format behind it."""
    if step and twins in LATER:
        return LATER[twins]
    return COARSE_FACTOR if floor >= FLOOR["float16"] else FACTOR


def has_ties(capture: Capture, i: int) -> bool:
    """Returns whether a rounding may move few elements of a record by a lot."""
    record = capture.records[i]
    whole = _floor(record.dtype) == WHOLE
    return record.kind == "operator" and (whole or names.is_tied(record.name))


def without_ties(ours: Capture, theirs: Capture, pairs: NDArray[np.int64]) -> Floats:
    """Returns the distances (P,) that are left if few elements may differ by ties.

    Infinite for pairs that have no ties, or differ by more than few elements can.
    """
    found = np.full(len(pairs), np.inf)
    may = np.flatnonzero([has_ties(ours, int(i)) for i in pairs[:, 0]])
    if not may.size:
        return found
    some = pairs[may]
    size = np.maximum(ours.norms[some[:, 0]], theirs.norms[some[:, 1]])
    count = np.array([max(1, math.prod(ours.records[int(i)].shape)) for i in some[:, 0]], float)
    small = apart(ours, theirs, some) <= JUMP * np.sqrt(TRIMMED / count) * size
    found[may] = np.where(small, apart(ours, theirs, some, trimmed=TRIMMED), np.inf)
    return found
