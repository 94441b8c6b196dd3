"""Settings that the two sides gave the same operator: epsilon, stride, axis, dropout rate.

They are exact, so they show a fault that the rounding of 16 bits hides.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.locate.capture import Capture

ALIASES = {"epsilon": "eps", "exponential_average_factor": "momentum", "train": "training"}
"""Names of a setting on a device, and the common one."""
OF_DEVICE = frozenset(
    {
        *("allow_tf32", "benchmark", "cudnn_enabled", "deterministic", "implicit"),
        *("non_blocking", "output_mask", "pin_memory", "size"),
    }
)
"""Arguments that choose a kernel, or repeat a shape; the result does not depend on them."""
AXES = ("dim", "dims", "axis", "start_dim", "end_dim")
"""Arguments that may count from the end."""
SAME = 1e-3
"""Relative difference up to which two numbers may come from one: some are computed from tensors."""


def unlike(
    ours: Capture, theirs: Capture, pairs: NDArray[np.int64], *, computed: Set[int] = frozenset()
) -> dict[int, str]:
    """Returns what differs, in words, for each of the pairs (P, 2) that has other settings.

    `computed` are records of the baseline whose settings a twin does not repeat, because they are
    computed from tensors.
    """
    found = {}
    for p, (i, j) in enumerate(pairs.tolist()):
        mine, other = ours.records[i], theirs.records[j]
        if mine.settings and other.settings and mine.settings != other.settings:
            words = _differences(_read(mine.settings), _read(other.settings))
            if words and i not in computed:
                found[p] = "; ".join(words)
    return found


@cache
def _read(text: str) -> Mapping[str, Any]:
    """Returns settings by their common names; none of a text that is no JSON object."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(read, dict):
        return {}
    return {str(ALIASES.get(k, k)): v for k, v in read.items() if all(map(_is_plain, _listed(v)))}


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Sequence[str]:
    """Returns the differences of the settings that both sides state."""
    return [
        f"{name} is {json.dumps(theirs[name])} on the candidate and {json.dumps(value)} on the "
        "baseline"
        for name, value in ours.items()
        if name in theirs and name not in OF_DEVICE and not _alike(name, value, theirs[name])
    ]


def _alike(name: str, ours: Any, theirs: Any) -> bool:
    mine, other = (_listed(value) for value in (ours, theirs))
    if len(mine) != len(other):  # stride 2 is stride (2, 2)
        return bool(set(mine) == set(other))
    return all(_equal(name, a, b) for a, b in zip(mine, other, strict=True))


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _equal(name: str, ours: Any, theirs: Any) -> bool:
    numbers = all(isinstance(value, (int, float)) for value in (ours, theirs))
    if not numbers or isinstance(ours, bool) or isinstance(theirs, bool):
        return bool(ours == theirs)
    if name in AXES and (ours < 0) != (theirs < 0):
        return True
    if isinstance(ours, int) and isinstance(theirs, int):
        return ours == theirs
    return math.isclose(ours, theirs, rel_tol=SAME) or (math.isnan(ours) and math.isnan(theirs))
