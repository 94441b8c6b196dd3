"""Norms of many tensors at once: per tensor on the device, over the tensors on the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def norm(tensors: Iterable[Tensor]) -> float:
    """Returns the root of the sum of all squares.

    A tensor's norm is accumulated in float32 (in float64 for a float64 tensor), the sum of the
    squared norms in float64.
    """
    norms = [torch.linalg.vector_norm(_wide(tensor)) for tensor in tensors]
    if not norms:
        return 0.0
    return float(torch.stack(norms).cpu().double().square().sum().sqrt())


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def gradient_norm(optim_wrapper: Any) -> float:
    """Returns the norm of all gradients, as an optimizer without clipping would see them."""
    groups = optim_wrapper.optimizer.param_groups
    gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
    scaler = getattr(optim_wrapper, "loss_scaler", None)
    scale = scaler.get_scale() if scaler is not None and scaler.is_enabled() else 1.0
    return norm(gradients) / scale


def buffers_of(network: nn.Module) -> Iterator[Tensor]:
    """Returns the floating-point buffers that a checkpoint holds: running statistics."""
    state = network.state_dict(keep_vars=True)
    return (
        tensor
        for tensor in state.values()
        if not isinstance(tensor, nn.Parameter) and tensor.is_floating_point()
    )
