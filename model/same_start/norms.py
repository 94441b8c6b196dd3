"""Norms of many tensors at once: per tensor on the device, over the tensors on the host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

FLOOR = 1e-5
"""Share of the whole norm below which that of a tensor counts as zero: gradients that are zero
analytically (of a bias before batch normalisation) consist of rounding errors alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """The norm of all elements of some tensors, and the geometric mean of the tensors' norms.

    The first sees the large tensors alone. In the second, a fault in any one tensor shows, however
    small the tensor is.
    """

    whole: float
    geometric: float

    def scaled(self, factor: float) -> Norms:
        """Returns the norms of all tensors times a factor."""
        return Norms(whole=self.whole * factor, geometric=self.geometric * factor)


@torch.no_grad()
def norms(tensors: Iterable[Tensor]) -> Norms:
    """Returns the norms of tensors; zeros without a tensor.

    A tensor's norm is accumulated in float32 (in float64 for a float64 tensor), the sum of the
    squared norms in float64. With N elements in all and n of a tensor with norm g, the geometric
    mean is of sqrt(g^2 + FLOOR^2 G^2 n / N), where G is the norm of all.
    """
    kept = [tensor for tensor in tensors if tensor.numel()]
    if not kept:
        return Norms(whole=0.0, geometric=0.0)
    each = torch.stack([torch.linalg.vector_norm(_wide(tensor)) for tensor in kept])
    squares = each.cpu().double().square().tolist()
    whole = math.sqrt(sum(squares))
    return Norms(whole=whole, geometric=_geometric(squares, [t.numel() for t in kept], whole))


def _geometric(squares: Sequence[float], sizes: Sequence[int], whole: float) -> float:
    if not (whole and math.isfinite(whole)):
        return whole
    every = sum(sizes)
    floored = [
        square + (FLOOR * whole) ** 2 * size / every
        for square, size in zip(squares, sizes, strict=True)
    ]
    return math.exp(sum(math.log(square) for square in floored) / (2 * len(floored)))


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def trained(optim_wrapper: Any) -> list[nn.Parameter]:
    """Returns the parameters that an optimizer updates."""
    return [p for group in optim_wrapper.optimizer.param_groups for p in group["params"]]


def gradient_norms(optim_wrapper: Any) -> Norms:
    """Returns the norms of the gradients, as an optimizer without clipping would see them."""
    gradients = [p.grad for p in trained(optim_wrapper) if p.grad is not None]
    scaler = getattr(optim_wrapper, "loss_scaler", None)
    scale = scaler.get_scale() if scaler is not None and scaler.is_enabled() else 1.0
    return norms(gradients).scaled(1 / scale)


def buffers_of(network: nn.Module) -> Iterator[Tensor]:
    """Returns the floating-point buffers that a checkpoint holds: running statistics."""
    state = network.state_dict(keep_vars=True)
    return (
        tensor
        for tensor in state.values()
        if not isinstance(tensor, nn.Parameter) and tensor.is_floating_point()
    )
