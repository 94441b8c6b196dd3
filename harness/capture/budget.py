"""Which operators to repeat, within seconds and bytes: new ones first, then the worst."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

from harness.capture.operators import name_of

LARGEST_BYTES = 2 << 30
"""Most bytes of an operator's arguments; copies in the CPU's memory take three times as much."""
Key = tuple[Any, ...]


def key_of(op: OpOverload, given: Sequence[Tensor]) -> Key:
    """Returns what two calls have equal that do the same work: operator, formats and shapes."""
    return (op, *((t.dtype, t.shape) for t in given))


class Budget:
    """The seconds that repeated operators may take; None is as long as it takes.

    The first half goes to any call. The second half goes to calls that were not seen yet, and to
    those whose error was the nearest to their limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.spent_s = 0.0
        self._worst: dict[Key, float] = {}

    def refusal(self, op: OpOverload, given: Sequence[Tensor]) -> str:
        """Returns why a call with these tensors is not repeated; "" if it is."""
        if sum(t.nbytes for t in given) > LARGEST_BYTES:
            return f"their arguments take more than {LARGEST_BYTES >> 30} GiB"
        if self.seconds is None:
            return ""
        key = key_of(op, given)
        if key not in self._worst:
            return "the budget of seconds was spent" if self.spent_s >= self.seconds else ""
        if self.spent_s < self.seconds / 2:
            return ""
        if self.spent_s < self.seconds and self._worst[key] >= self._median():
            return ""
        return "another call of the same shapes was repeated"

    def spend(self, op: OpOverload, given: Sequence[Tensor], seconds: float, ratio: float) -> None:
        """Notes what a repeated call took, and its error over its limit."""
        self.spent_s += seconds
        if self.seconds is None:
            return
        key = key_of(op, given)
        self._worst[key] = max(ratio, self._worst.get(key, 0.0))

    def _median(self) -> float:
        ratios = sorted(self._worst.values())
        return ratios[len(ratios) // 2]


@cache
def described(op: OpOverload) -> str:
    """Returns an operator's name with its overload: `aten::add.Tensor`."""
    overload = op._overloadname
    return name_of(op) if overload in {"", "default"} else f"{name_of(op)}.{overload}"
