"""Kernel faults on a CPU: a mode outside the replay damages what an operator returns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from harness.capture.operators import bare_name, results

Fault = Callable[[Tensor], object]


class Damage(TorchDispatchMode):
    """Damages one result of the operators of a name: all calls, or the nth alone.

    Enter it before the replay, so that the replay sees the damage as the device's work.
    """

    def __init__(self, name: str, fault: Fault, *, nth: int | None = None, output: int = 0) -> None:
        super().__init__()
        self.name, self.fault, self.nth, self.output = name, fault, nth, output
        self.calls = 0
        self.damaged: list[torch.Size] = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        returned = op(*args, **kwargs)
        if bare_name(op) == self.name:
            if self.nth in {None, self.calls}:
                result = results(op, args, kwargs, returned)[self.output]
                self.fault(result)
                self.damaged.append(result.shape)
            self.calls += 1
        return returned


def scaled(factor: float) -> Fault:
    return lambda result: result.mul_(factor)


def zero_last(result: Tensor) -> None:
    """Leaves the last column unwritten."""
    (result[..., -1] if result.dim() else result).zero_()


def not_a_number(result: Tensor) -> None:
    result[(0,) * result.dim()] = float("nan")


def short_products(result: Tensor) -> None:
    """Keeps 10 bits of the fraction, as TensorFloat32 does."""
    bits = result.contiguous().view(torch.int32)
    result.copy_((bits & -(1 << 13)).view(torch.float32).reshape(result.shape))


def one_element(factor: float) -> Fault:
    """Damages the largest element."""

    def fault(result: Tensor) -> None:
        at = int(result.abs().argmax())
        result[tuple(torch.unravel_index(torch.tensor(at), result.shape))] *= factor

    return fault


FAULTS: dict[str, Fault] = {
    "scaled_by_1.001": scaled(1.001),
    "one_element": one_element(1.05),
    "last_column": zero_last,
    "nan": not_a_number,
    "ten_bits": short_products,
}
