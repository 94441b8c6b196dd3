"""The weights that a run starts from: drawn on the host, or moved by a rounding."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np
import torch
from mmengine.dist import broadcast
from torch import Tensor, nn

from model.same_start.fingerprint import Sums, terms


def initialise_on_host(network: nn.Module, seed: int) -> None:
    """Starts the weights afresh from the CPU's generator, in float32, wherever the network is.

    A device's generator would draw others, and so would the CPU's in float64.
    """
    if not hasattr(network, "init_weights"):
        return
    host: Any = copy.deepcopy(network).cpu().float()
    torch.manual_seed(seed)
    host.init_weights()
    network.load_state_dict(host.state_dict())
    for tensor in network.state_dict().values():
        broadcast(tensor)


def weight_terms(network: nn.Module) -> Iterator[Sums]:
    """Returns the terms of every parameter and buffer that a checkpoint would hold."""
    for name, tensor in network.state_dict().items():
        yield terms(name, tensor.detach().cpu().double().contiguous().numpy())


@torch.no_grad()
def move_by_a_rounding(
    network: nn.Module, *, seed: int, draw: int, unit: float | None = None
) -> None:
    """Moves every element of the parameters one unit in the last place up, down or not at all.

    Under autocast the unit is that of its number format: of smaller moves nothing would remain.
    Zeros stay: the number next to 0 is no rounding of it.
    """
    for name, parameter in network.named_parameters():
        if parameter.is_floating_point():
            parameter.copy_(_moved(parameter, [seed, draw, crc32(name.encode())], unit))


def move_images(network: nn.Module, *, seed: int, draw: int, unit: float | None = None) -> None:
    """Moves every value that the first convolution is given likewise, in every step anew."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:
        return
    steps = itertools.count()

    def move(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        images = inputs[0]
        moved = _moved(images, [seed, draw, next(steps)], unit).to(images.device)
        return (moved.contiguous(memory_format=_format_of(images)), *inputs[1:])

    first.register_forward_pre_hook(move)


def _format_of(images: Tensor) -> torch.memory_format:
    last = images.dim() == 4 and not images.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _moved(tensor: Tensor, key: list[int], unit: float | None) -> Tensor:
    """Returns a tensor moved at random by one unit: its own format's, or a relative one."""
    generator = np.random.Generator(np.random.PCG64(key))
    shape = tuple(tensor.shape)
    where = torch.from_numpy(generator.integers(-1, 2, size=shape, dtype=np.int8))
    values = tensor.detach().cpu().contiguous()
    if unit is not None:
        return values * (1 + unit * where.to(values.dtype))
    target = torch.where(where == 0, values, where.to(values.dtype) * torch.inf)
    return torch.where(values == 0, values, torch.nextafter(values, target))
