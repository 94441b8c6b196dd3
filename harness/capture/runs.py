"""One call of an operator and its repetitions on the CPU, each made when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from harness.capture.again import copied, in_float64, moved_by_a_rounding, run
from harness.capture.modules import Place
from harness.capture.operators import selects, writes
from harness.capture.trees import Arguments, tensors

SEED = 1811
"""Of the rounding that moves the inputs of an operator that is beyond its limit."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: the operator, where it ran, and its arguments as they were before it, on the CPU.

    `seen` are the device's results on the CPU, `repeats` those of further calls with the same
    arguments. The results of a repetition have None for what cannot be checked.

    Raises:
        NoKernelError: by the properties: the CPU cannot run the operator.
    """

    op: OpOverload
    at: Place
    arguments: Arguments
    seen: list[Tensor]
    repeats: list[list[Tensor]]

    @cached_property
    def healthy(self) -> list[Tensor | None]:
        """The results of the CPU's kernel in the device's format."""
        return self._run(copied(self.arguments) if writes(self.op) else self.arguments)

    @cached_property
    def exact(self) -> list[Tensor | None]:
        """The results in float64; those of the healthy kernel if it rounds nothing."""
        return self.healthy if self.selects else self._run(in_float64(self.arguments))

    @cached_property
    def moved(self) -> list[Tensor | None]:
        """The results in float64 of inputs that are moved by half a unit in the last place."""
        finest = min((_eps(t) for t in self.seen if t.is_floating_point()), default=1.0)
        return self._run(moved_by_a_rounding(self.arguments, eps=finest, seed=SEED))

    @cached_property
    def selects(self) -> bool:
        """True if the operator only selects or copies elements, in one format."""
        every = [t for t in (*tensors(self.arguments), *self.seen) if t.is_floating_point()]
        return selects(self.op) and len({t.dtype for t in every}) <= 1

    def _run(self, arguments: Any) -> list[Tensor | None]:
        return run(self.op, arguments, self.seen)


def _eps(tensor: Tensor) -> float:
    return float(torch.finfo(tensor.dtype).eps)
