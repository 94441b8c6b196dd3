"""The start of a step: parameters of zeros that hide faults, and a benign rounding."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.hooks import RemovableHandle

from harness.capture.again import without_modes
from harness.capture.modules import unwrapped

LEAST, MOST = 0.25, 0.75
"""Range of the values that replace zeros."""


def hiding(network: nn.Module) -> tuple[str, ...]:
    """Returns the names of the parameters that are all zero and multiply something.

    A bias that is zero hides nothing. A gate, the weight of a norm or of a projection that is zero
    removes what it multiplies from the output, and gives it gradients of zero.
    """
    found = []
    for name, parameter in unwrapped(network).named_parameters():
        is_bias = "bias" in name.rpartition(".")[2]
        if not is_bias and parameter.numel() and not bool(parameter.detach().any()):
            found.append(name)
    return tuple(found)


def unhide_zeros(network: nn.Module) -> None:
    """Gives the parameters that hide faults values from 0.25 to 0.75, drawn by their names."""
    names = set(hiding(network))
    with torch.no_grad():
        for name, parameter in unwrapped(network).named_parameters():
            if name in names:
                generator = torch.Generator().manual_seed(crc32(name.encode()))
                drawn = torch.rand(parameter.shape, generator=generator)
                parameter.copy_(LEAST + (MOST - LEAST) * drawn)


def move_weights(network: nn.Module, *, draw: int, eps: float | None) -> None:
    """Moves every weight by half a unit in the last place of its format, or of a coarser `eps`."""
    with torch.no_grad():
        for name, parameter in unwrapped(network).named_parameters():
            parameter.copy_(moved(parameter.detach(), f"{name} {draw}", eps))


def move_inputs(tree: Any, *, draw: int, eps: float | None) -> Any:
    """Returns arguments of the network with every floating-point tensor moved likewise."""
    count = iter(range(1_000_000))

    def move(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point() or tensor.requires_grad:
            return tensor
        return moved(tensor, f"input {next(count)} {draw}", eps)

    return tree_map_only(Tensor, move, tree)


def turn_images(network: nn.Module) -> RemovableHandle | None:
    """Gives the first 2-D convolution its images in the other memory format, until removed.

    Kernels add in another order there, and what follows keeps the format. Returns None for a
    network without such a convolution.
    """
    found = (m for m in unwrapped(network).modules() if isinstance(m, nn.Conv2d))
    first = next(found, None)
    if first is None:
        return None
    return first.register_forward_pre_hook(lambda _, given: (_turned(given[0]), *given[1:]))


def _turned(images: Tensor) -> Tensor:
    """Returns images (N, C, H, W) channels last, or first if they were last; others as they are."""
    if images.ndim != 4:
        return images
    last = not images.is_contiguous()
    with without_modes():  # the copy is no operator of the program
        return images.contiguous(
            memory_format=torch.contiguous_format if last else torch.channels_last
        )


def moved(tensor: Tensor, name: str, eps: float | None) -> Tensor:
    """Returns x (1 + s eps) with signs s that the host draws by a name.

    In the tensor's own format that is one unit in the last place, or half of one.
    """
    unit = max(eps or 0.0, torch.finfo(tensor.dtype).eps)
    generator = torch.Generator().manual_seed(crc32(name.encode()))
    signs = torch.randint(0, 2, tensor.shape, generator=generator, dtype=torch.int8) * 2 - 1
    factors = 1 + signs.to(torch.float32) * unit
    return tensor * factors.to(tensor.device, tensor.dtype)
