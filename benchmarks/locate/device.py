"""A simulated device on the CPU: healthy kernels that round in another way, and planted faults.

A dispatch mode under the recording: each operator is computed by another kernel where there is one
(torch's decompositions, convolutions without oneDNN, products summed in two halves), so that
healthy results differ by roundings, as they do between two devices.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from harness.capture.budget import described
from harness.capture.operators import bare_name, computes, is_random, results

aten = torch.ops.aten
PRODUCTS = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}
"""Matrix products, with the place of the left factor among the arguments."""
KINDS = ("scale", "zeros", "sign", "shift", "element", "nan", "bfloat16")
STAYS = {"native_dropout", "copy_", "clone", "_to_copy", "embedding"}
"""Not decomposed: they copy, or the decomposition is the operator itself."""


@dataclass(frozen=True)
class Fault:
    """What to damage: the first output of an operator of a pass, at its n-th call or at all."""

    operator: str
    phase: str
    kind: str
    nth: int | None
    seed: int


class Device(TorchDispatchMode):
    """Computes with other kernels, and damages one operator's output.

    `change` is the largest relative change that the fault made, in units of the format's eps;
    infinite for values that are not finite. `hit` counts the damaged calls.
    """

    def __init__(self, fault: Fault | None = None, *, other: bool = True) -> None:
        super().__init__()
        self.fault = fault
        self.other = other
        self.change = 0.0
        self.hit = 0
        self._calls: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(
        self, op: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        returned = self._computed(op, args, kwargs)
        fault = self.fault
        if fault is None or not computes(op):
            return returned
        phase = "forward" if torch._C._current_autograd_node() is None else "backward"
        if (described(op), phase) != (fault.operator, fault.phase):
            return returned
        count = self._calls[described(op), phase]
        self._calls[described(op), phase] += 1
        if fault.nth is None or fault.nth == count:
            for tensor in results(op, args, kwargs, returned)[:1]:
                if tensor.is_floating_point() and tensor.numel():
                    self._damage(tensor, fault)
        return returned

    def _computed(self, op: OpOverload, args: Any, kwargs: Any) -> Any:
        name = bare_name(op)
        stays = not self.other or not computes(op) or is_random(op, args, kwargs) or name in STAYS
        found = torch._decomp.decomposition_table.get(op)
        if stays:
            return op(*args, **kwargs)
        if "convolution" in name:
            with warnings.catch_warnings(), torch.backends.mkldnn.flags(enabled=False):
                warnings.simplefilter("ignore")
                return op(*args, **kwargs)
        if name in PRODUCTS:
            return _in_halves(op, args, kwargs, PRODUCTS[name])
        once = name == "native_batch_norm"  # it writes the running statistics
        if found is None or op._schema.is_mutable or (once and args[0].dtype != torch.float32):
            return op(*args, **kwargs)
        like = None if once else op(*args, **kwargs)
        try:
            result = found(*args, **kwargs)
            return result if once else _as(result, like)
        except (RuntimeError, TypeError, NotImplementedError, ValueError):
            return like

    def _damage(self, tensor: Tensor, fault: Fault) -> None:
        before = tensor.detach().double().clone()
        damage(tensor, fault.kind, fault.seed)
        after = tensor.detach().double()
        finite = torch.isfinite(before) & torch.isfinite(after)
        same = (before == after) | (before.isnan() & after.isnan())
        change = float("inf")
        if bool((finite | same).all()):
            size = float(before[finite].norm()) or 1.0
            change = float((after - before)[finite].norm()) / size
            change /= torch.finfo(tensor.dtype).eps
        self.change = max(self.change, change)
        self.hit += 1


def damage(tensor: Tensor, kind: str, seed: int) -> None:
    """Damages a tensor in place."""
    short = torch.finfo(tensor.dtype).eps > 1e-4
    generator = torch.Generator().manual_seed(seed)
    last = tensor if tensor.dim() else tensor.unsqueeze(0)
    if kind == "scale":
        tensor.mul_(1.05 if short else 1.001)
    elif kind == "zeros":
        last.select(-1, -1).zero_()
    elif kind == "sign":
        last.select(0, 0).neg_()
    elif kind == "shift":
        last.copy_(last.roll(1, -1))
    elif kind == "element":
        index = int(torch.randint(0, last.numel(), (1,), generator=generator))
        at = torch.unravel_index(torch.tensor(index), last.shape)
        last[at] = last[at] + 2 * last.abs().max() + 1e-3
    elif kind == "nan":
        last[(0,) * last.dim()] = float("nan")
    elif kind == "bfloat16":
        tensor.copy_(tensor.to(torch.bfloat16))


def _in_halves(op: OpOverload, args: Any, kwargs: Any, first: int) -> Any:
    """Returns a matrix product as the sum of the products of two halves of the inner dimension."""
    left, right = args[first], args[first + 1]
    half = left.shape[-1] // 2
    if half == 0 or left.dtype != torch.float32 or "out" in kwargs:
        return op(*args, **kwargs)
    parts = [
        op(*args[:first], a, b, **kwargs)
        for a, b in (
            (left[..., :half], right[..., :half, :]),
            (left[..., half:], right[..., half:, :]),
        )
    ]
    if first:
        beta = kwargs.get("beta", 1)
        return parts[0] + parts[1] - beta * args[0]
    return parts[0] + parts[1]


def _as(found: Any, like: Any) -> Any:
    """Returns results with the formats and strides of others, as a kernel would give them."""
    if isinstance(like, Tensor):
        return torch.empty_like(like).copy_(found)
    if isinstance(like, (tuple, list)):
        return type(like)(_as(f, k) for f, k in zip(found, like, strict=True))
    return found
