"""Aligns two sequences of operators whose words may repeat, such as those of a module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.log.arrays import Floats

MOST_CELLS = 4_000_000
"""Largest table of an alignment; longer sequences are matched by counting equal words."""
CLOSE = 0.05
"""Relative distance up to which two tensors may be the same one, where words leave a choice. A sum
over half a batch can be as near as 0.24 to the sum over all of it."""
Pairs = list[tuple[int, int]]
Near = Callable[[int, int], float]
"""Returns the relative distance of element i of one sequence and element j of the other."""


def aligned(
    ours: Sequence[object], theirs: Sequence[object], near: Near, *, trusted: bool = True
) -> Pairs:
    """Returns the places of equal words in both sequences, both rising.

    Where both sides have a word equally often, its occurrences meet in order, whatever their
    tensors hold: so a wrong operator is compared with the right one. Where a side has more of them,
    because the other fused or split an operator, only tensors that are close can meet. The same
    holds for every word if the sequences are not `trusted` to be of the same part of the network.
    """
    if trusted and list(ours) == list(theirs):
        return [(i, i) for i in range(len(ours))]
    places = _places(ours), _places(theirs)
    if len(ours) * len(theirs) > MOST_CELLS:
        return _by_count(*places)
    weights = np.zeros((len(ours), len(theirs)), dtype=np.float32)
    for word, mine in places[0].items():
        others = places[1].get(word, [])
        if trusted and len(mine) == len(others):
            weights[mine, others] = 2.0
            continue
        for i in mine:
            for j in others:
                distance = near(i, j)
                weights[i, j] = 2.0 - distance if distance <= CLOSE else 0.0
    return _heaviest(weights)


def _places(words: Sequence[object]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for i, word in enumerate(words):
        found[word].append(i)
    return found


def _by_count(ours: dict[object, list[int]], theirs: dict[object, list[int]]) -> Pairs:
    """Returns the pairs of words that both sides have equally often."""
    both = (
        zip(mine, theirs[word], strict=True)
        for word, mine in ours.items()
        if len(mine) == len(theirs.get(word, []))
    )
    return sorted(pair for pairs in both for pair in pairs)


def _heaviest(weights: NDArray[np.float32]) -> Pairs:
    """Returns the rising pairs of positive weight whose sum is largest.

    The recursion is that of the longest common subsequence. A row needs only the row before it,
    and a running maximum does the step to the left.
    """
    rows, columns = weights.shape
    best: Floats = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        diagonal = best[i, :-1] + weights[i]
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], diagonal))
    pairs: Pairs = []
    i, j = rows, columns
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]
