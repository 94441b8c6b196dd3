"""Names that programs give to the same quantity, and to the counter of steps."""

from __future__ import annotations

import re

STEPS = (
    "step",
    "global_step",
    "global step",
    "_step",
    "trainer/global_step",
    "iteration",
    "iter",
    "it",
    "batch_idx",
    "batch",
)
"""Columns and keys that count steps, the likeliest first."""
EPOCHS = ("epoch", "Epoch")
NO_SERIES = frozenset(
    {"epoch", "rank", "eta", "timestamp", "_timestamp", "_runtime", "wall time", "wall_time"}
)
"""Columns and keys that hold no quantity of the training."""

_VALIDATION = re.compile(r"(?:eval|val|valid|validation)[_/.](?P<rest>.+)")
_LR = re.compile(r"(?:learning[_ ]rate|lr(?:-[\w/-]+)?)", re.IGNORECASE)


def canonical(name: str) -> str:
    """One name for what programs call `eval_loss`, `val/loss`, `learning_rate` or `lr-SGD`.

    >>> canonical("eval_loss"), canonical("lr-AdamW"), canonical("train_loss")
    ('val.loss', 'lr', 'train_loss')
    """
    name = name.strip()
    validation = _VALIDATION.fullmatch(name)
    if validation is not None:
        return f"val.{validation['rest']}"
    return "lr" if _LR.fullmatch(name) else name


def step_key(names: list[str]) -> str | None:
    """Which of these names counts the steps; None if none does."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    return next((lowered[step] for step in STEPS if step in lowered), None)
