"""What part of a training a departure from the envelope of rounding points to.

The first step that differs, and the figure that differs there, narrow a fault down: the loss of the
first step has seen the forward pass and the data alone, its gradients the backward pass, its update
the optimizer. A description is a hint; the verdict does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.align.auxiliary import is_schedule
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
    words = _words(there, first, {name for name in apart if "norm" in name.lower()})
    return f"{words}{_precision(first, float(apart[judged][0]))}"


def _words(there: set[str], first: int, norms: set[str]) -> str:
    """Returns what the figures that leave the envelope first point to.

    `norms` are the norms that the logs hold; without them the loss alone is known.
    """
    when = "first" if first == 0 else _ordinal(first + 1)
    schedules = {name for name in there if is_schedule(name)}
    if schedules and not there - norms - schedules:
        return f"The {' and '.join(sorted(schedules))} differs: look at the schedule."
    if there - norms - schedules:
        return _of_loss(first, norms)
    if any("grad" in name for name in there):
        return (
            f"The loss of the {when} step agrees and its gradients do not: look at the backward "
            "pass."
        )
    if any("update" in name or "weight" in name for name in there):
        return (
            f"The loss of the {when} step and its gradients agree and the update does not: look at "
            "the optimizer, its settings and the schedule."
        )
    return "Only the buffers differ: look at the running statistics."


def _of_loss(first: int, norms: set[str]) -> str:
    """Returns what a loss that differs first points to."""
    if first == 0:
        return (
            "The first loss already differs, before any update: look at the forward pass, the loss "
            "and the data."
        )
    if any("update" in name or "weight" in name for name in norms):
        updates = "The first update agrees" if first == 1 else f"The first {first} updates agree"
        return (
            f"{updates}: look at the data of the {_ordinal(first + 1)} step, and at what the "
            "forward pass does from there on."
        )
    if first == 1:
        return (
            "The first loss agrees and the second does not: look at the backward pass and the "
            "optimizer."
        )
    return (
        f"{first} losses agree: look at what changes with the step (state, schedule, data order), "
        "or at a fault whose effect starts near zero."
    )


def _ordinal(number: int) -> str:
    """Returns a number as an ordinal.

    >>> _ordinal(2), _ordinal(3), _ordinal(11), _ordinal(21)
    ('2nd', '3rd', '11th', '21st')
    """
    last = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


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
