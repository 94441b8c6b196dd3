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
BACKWARD = (
    "look at the backward pass, and at parts of the forward pass that do not change the loss yet, "
    "such as a branch behind a scale of zero"
)
"""In the corpus of the start, 25 of 55 runs whose gradients differ first have a fault in the
forward pass: in the attention, which the network multiplies by zero at first, or in a rounding."""
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
    if first == 0 and (ratio := _scaled(judged, outside, apart)):
        return (
            f"{judged} and its gradients are {ratio:.6g} times the baseline's at the first step: "
            "look for a factor in the loss (weights, reduction, number of samples or devices)."
        )
    there = {name for name, place in outside.items() if place == first}
    norms = {name for name in apart if "norm" in name.lower()}
    step = int(start.series[0].steps[first])
    words = _of_first(there, norms) if first == 0 else _of_later(there, norms, first, step)
    return f"{words}{_precision(first, float(apart[judged][0]))}"


def _scaled(judged: str, outside: Mapping[str, int], apart: Mapping[str, Floats]) -> float:
    """Returns the ratio of both sides at the first step if loss and gradients share it, or 0."""
    gradients = [name for name in apart if _is_gradient(name)]
    if judged not in outside or not gradients:
        return 0.0
    ratios = [1 + float(apart[name][0]) for name in (judged, *gradients)]
    loss = ratios[0] - 1
    same = all(abs(ratio - ratios[0]) <= STEADY * abs(loss) for ratio in ratios)
    return ratios[0] if same and abs(loss) > LOW_PRECISION[1] else 0.0


def _is_gradient(name: str) -> bool:
    return "grad" in name.lower() and "norm" in name.lower()


def _is_update(name: str) -> bool:
    return any(word in name.lower() for word in ("update", "weight", "param"))


def _of_schedules(there: set[str], norms: set[str]) -> str:
    """Returns that the schedule differs, if nothing but schedules differs."""
    schedules = {name for name in there if is_schedule(name)}
    if schedules and not there - norms - schedules:
        return f"The {' and '.join(sorted(schedules))} differs: look at the schedule."
    return ""


def _of_first(there: set[str], norms: set[str]) -> str:
    """Returns what the figures of the first step point to; before it there was no update."""
    if schedule := _of_schedules(there, norms):
        return schedule
    if there - norms:
        return (
            "The first loss already differs, before any update: look at the forward pass, the loss "
            "and the data."
        )
    if any(map(_is_gradient, there)):
        return f"The first loss agrees and its gradients do not: {BACKWARD}."
    if any(map(_is_update, there)):
        return (
            "The first loss and its gradients agree and the update does not: look at the "
            "optimizer, its settings and the schedule."
        )
    return "Only the buffers differ: look at the running statistics."


def _of_later(there: set[str], norms: set[str], first: int, step: int) -> str:
    """Returns what the figures of a later step point to, after `first` steps that agree.

    Without a norm of the updates in the log, the optimizer may be at fault as well: the norm of the
    weights hardly changes with it.
    """
    if schedule := _of_schedules(there, norms):
        return schedule
    updates = any("update" in name.lower() for name in norms)
    before = "The first update" if first == 1 else f"The first {first} updates"
    if there - norms:
        return _of_loss(first, step, before if updates else "")
    if any(map(_is_gradient, there)):
        if updates:
            return (
                f"{before} and the loss of step {step} agree, and its gradients do not: {BACKWARD}."
            )
        return (
            f"The loss of step {step} agrees and its gradients do not: {BACKWARD}; also at the "
            "optimizer, because the log has no norm of the updates."
        )
    if any(map(_is_update, there)):
        return (
            f"The loss of step {step} and its gradients agree and the update does not: look at the "
            "optimizer, its settings and the schedule."
        )
    return "Only the buffers differ: look at the running statistics."


def _of_loss(first: int, step: int, updates: str) -> str:
    """Returns what a loss points to that differs after `first` steps."""
    if updates:
        return (
            f"{updates} {'agrees' if first == 1 else 'agree'}, as far as the norms show: look at "
            f"the data of step {step}, at what the forward pass does from there on, and at "
            "settings of the optimizer with a small effect, such as weight decay."
        )
    if first == 1:
        return (
            "The first loss agrees and the second does not: look at the backward pass and the "
            "optimizer."
        )
    return (
        f"{first} losses agree: look at what changes with the step (state of the optimizer, "
        "schedule, data order), or at a fault whose effect starts near zero."
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
