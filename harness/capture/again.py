"""The same operator on the CPU: its own kernel, another name for it, or its decomposition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import _disable_current_modes

from harness.capture.operators import bare_name, named, results
from harness.capture.renamed import OTHER_NAMES
from harness.capture.trees import Arguments, mapped, mapped_tensors

CPU = torch.device("cpu")


class NoKernelError(RuntimeError):
    """The CPU cannot run an operator; the message gives the reason."""


def on_host(args: Any, kwargs: Any) -> Arguments:
    """Returns copies of the arguments in the CPU's memory, in the same format and layout.

    Storage that two arguments share is not shared by the copies.
    """
    return mapped(_to_host, (args, kwargs))


def seen_from_host(args: Any, kwargs: Any) -> Arguments:
    """Returns the same, but without a copy of what lies in the CPU's memory already."""

    def move(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.detach().to(CPU)
        return CPU if isinstance(value, torch.device) else value

    return mapped(move, (args, kwargs))


@contextmanager
def without_modes() -> Iterator[None]:
    """Runs operators without the modes below; torch's own context costs more than an operator."""
    if torch._C._len_torch_dispatch_stack():
        with _disable_current_modes(), torch.no_grad():
            yield
    else:
        with torch.no_grad():
            yield


def _to_host(value: Any) -> Any:
    if isinstance(value, Tensor):
        found = value.detach()
        return found.clone() if found.device == CPU else found.to(CPU)
    return CPU if isinstance(value, torch.device) else value


def in_float64(arguments: Arguments) -> Arguments:
    """Returns copies of the arguments with every floating-point number in float64."""
    return mapped(_to_float64, arguments)


def _to_float64(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.is_complex():
            return value.to(torch.complex128)
        return value.double() if value.is_floating_point() else value.clone()
    if isinstance(value, torch.dtype) and value.is_complex:
        return torch.complex128
    if isinstance(value, torch.dtype) and value.is_floating_point:
        return torch.float64
    return value


def copied(arguments: Arguments) -> Arguments:
    """Returns copies of the tensors; operators in place write into them."""
    return mapped_tensors(torch.Tensor.clone, arguments)


def moved_by_a_rounding(arguments: Arguments, *, eps: float, seed: int) -> Arguments:
    """Returns float64 copies whose numbers are moved by half a unit in the last place at random.

    Each number x becomes x (1 + s eps / 2) with a random sign s and the eps of its format, or
    the one given if it is smaller: an operator that returns float32 rounds as float32 does, also if
    an argument is of 16 bits.
    """
    generator = torch.Generator().manual_seed(seed)

    def move(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_complex():
            return torch.view_as_complex(move(torch.view_as_real(value.resolve_conj())))
        if not (isinstance(value, Tensor) and value.is_floating_point()):
            return _to_float64(value)
        unit = min(eps, torch.finfo(value.dtype).eps) / 2
        signs = torch.randint(0, 2, value.shape, generator=generator, dtype=torch.int8) * 2 - 1
        return value.double() * (1 + signs.double() * unit)

    return mapped(move, arguments)


def run(op: OpOverload, arguments: Arguments, device_results: list[Tensor]) -> list[Tensor | None]:
    """Returns the results of an operator for arguments on the CPU, which it may overwrite.

    `device_results` are those of the device, for operators whose result depends on a mask that the
    device drew. None is a result that cannot be checked.

    Raises:
        NoKernelError: the CPU has neither a kernel nor a decomposition for these arguments.
    """
    args, kwargs = arguments
    other = OTHER_NAMES.get(bare_name(op))
    tries: list[Callable[[], list[Tensor | None]]] = []
    if other is not None:
        tries.append(lambda: other(named(op, args, kwargs), device_results))
    else:
        tries.append(lambda: [*results(op, args, kwargs, op(*args, **kwargs))])
        found = torch._decomp.decomposition_table.get(op)
        if found is not None:
            tries.append(lambda: [*results(op, args, kwargs, found(*args, **kwargs))])
    reason: Exception | None = None
    with without_modes():
        for attempt in tries:
            try:
                return attempt()
            except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
                reason = reason or error
    lines = str(reason).strip().splitlines() or [type(reason).__name__]
    raise NoKernelError(lines[0][:200]) from reason
