"""What part of a training a departure from the envelope of rounding points to.

The first step that differs, and the figure that differs there, narrow a fault down: the loss of the
first step has seen the forward pass and the data alone, its gradients the backward pass, its update
the optimizer. A description is a hint; the verdict does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.align.start import Start
from harness.log.arrays import Floats
from harness.stats.envelope import FIRST

STEADY = 0.05
"""Relative spread of a ratio over the steps below which the ratio is constant."""
SHORTEST = 5
"""Steps that a constant ratio must hold."""
LOW_PRECISION = (1e-6, FIRST["amp-bfloat16"])
"""Deviation of the first loss that rounding to bfloat16, float16 or TF32 causes."""


def kind_of(outside: Mapping[str, int], apart: Mapping[str, Floats], start: Start) -> str:
    """Returns a sentence on what the departure points to.

    `outside` holds the place of the first step outside the envelope, by series; `apart` the
    deviations (n,) of every series. The judged series comes first in both.
    """
    judged = next(iter(apart))
    if start.arithmetic:
        return f"The arithmetic differs: {'; '.join(start.arithmetic)}."
    if ratio := constant_ratio(apart[judged]):
        others = [name for name in outside if name != judged]
        if not any("norm" in name for name in others):
            return (
                f"{judged} is {ratio:.6g} times the baseline's at every step: a factor in the loss "
                "or in its logging, not a divergence."
            )
    first = min(outside.values())
    there = {name for name, place in outside.items() if place == first}
    words = _at_start(there) if first == 0 else _later(first, apart)
    return f"{words}{_precision(first, float(apart[judged][0]))}"


def _at_start(there: set[str]) -> str:
    """Returns what a departure of the first step points to."""
    measured = {name for name in there if not _is_norm(name)}
    if measured:
        return (
            "The first loss already differs, before any update: look at the forward pass, the loss "
            "and the data."
        )
    if any("grad" in name for name in there):
        return "The first loss agrees and its gradients do not: look at the backward pass."
    if any("update" in name or "weight" in name for name in there):
        return (
            "The first loss and its gradients agree and the update does not: look at the optimizer "
            "and its settings."
        )
    return "Only the buffers differ: look at the running statistics."


def _later(first: int, apart: Mapping[str, Floats]) -> str:
    norms = [name for name in apart if _is_norm(name)]
    if first == 1 and not norms:
        return (
            "The first loss agrees and the second does not: look at the backward pass and the "
            "optimizer."
        )
    if first == 1:
        return (
            "The first step agrees and the second does not: look at the optimizer's state "
            "(momentum), the schedule and the data of the second step."
        )
    return (
        f"{first} steps agree: look at what changes with the step: state, schedule, data order, "
        "or a fault whose effect starts near zero."
    )


def _precision(first: int, deviation: float) -> str:
    low, high = LOW_PRECISION
    if first != 0 or not low < abs(deviation) < high:
        return ""
    return (
        " The size is that of bfloat16, float16 or TF32 rounding: compare the precision in force "
        "on both sides first."
    )


def constant_ratio(apart: Floats) -> float:
    """Returns the ratio of both sides if it is the same at every step, otherwise 0.

    >>> constant_ratio(np.full(6, 1.0)), constant_ratio(np.array([1e-3, 2e-3, 5e-3, 1e-2, 2e-2]))
    (2.0, 0.0)
    """
    if apart.size < SHORTEST or not np.isfinite(apart).all():
        return 0.0
    middle = float(np.median(apart))
    steady = bool((np.abs(apart - middle) <= STEADY * abs(middle)).all())
    return 1 + middle if steady and middle else 0.0


def _is_norm(name: str) -> bool:
    return "norm" in name.lower()
