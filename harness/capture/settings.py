"""The numbers that an operator is called with: epsilon, stride, dimension, dropout rate."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from torch._ops import OpOverload

from harness.capture.operators import named

LONGEST = 8
"""Most numbers of a list; longer ones are sizes."""


def settings_of(op: OpOverload, args: Any, kwargs: Any) -> str:
    """Returns the arguments of a call that are numbers, truth values or words, as a JSON object.

    Arguments that the call leaves to the operator are there with their defaults. Tensors, formats
    and devices are left out.
    """
    given = {**_defaults(op), **named(op, args, kwargs)}
    kept = {name: value for name, value in given.items() if _is_plain(value)}
    return json.dumps(kept) if kept else ""


@cache
def _defaults(op: OpOverload) -> dict[str, Any]:
    return {a.name: a.default_value for a in op._schema.arguments if a.has_default_value()}


def _is_plain(value: Any) -> bool:
    """Returns whether a value is a number or a word, or a short list of numbers."""
    if isinstance(value, (list, tuple)):
        return 0 < len(value) <= LONGEST and all(type(item) in {bool, int, float} for item in value)
    return type(value) in {bool, int, float, str}
