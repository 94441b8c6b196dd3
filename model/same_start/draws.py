"""Random numbers that the host draws, the same ones for any device, precision and share of ranks.

Letters: N samples of this rank's batch, C channel.
"""

from __future__ import annotations

import math
from collections import Counter
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from model.errors import ConfigError

Uniforms = NDArray[np.float32]


class HostDraws:
    """Uniform numbers by (seed, place of the sample in the stream, module, call in the step).

    The places of one step are those of `InfiniteSampler`: sample n of rank r among R ranks has
    place (step * N + n) * R + r. A global batch has the same numbers however it is shared out.
    """

    def __init__(self, *, seed: int, rank: int, world_size: int) -> None:
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.begin(0)

    def begin(self, step: int) -> None:
        """Begins a step: a module's next call is its first."""
        self.step = step
        self._calls: Counter[str] = Counter()

    def batch(self, name: str, samples: int, count: int) -> Uniforms:
        """Returns the numbers [N, count] of a module's next call in this step."""
        call = self._calls[name]
        self._calls[name] += 1
        first = self.step * samples
        places = [(first + n) * self.world_size + self.rank for n in range(samples)]
        rows = [self.at(name, place, count=count, call=call) for place in places]
        return np.stack(rows) if rows else np.empty((0, count), np.float32)

    def at(self, name: str, place: int, *, count: int, call: int = 0) -> Uniforms:
        """Returns the numbers [count], in [0, 1), of a module for the sample at one place."""
        generator = np.random.Generator(
            np.random.PCG64([self.seed, place, crc32(name.encode()), call])
        )
        return generator.random(count, dtype=np.float32)


class _OnHost(_DropoutNd):
    """Dropout whose mask comes from `draws`; `p`, `training` and hooks act as in torch's own."""

    name: str
    draws: HostDraws
    stated_p: float
    """The ratio when the training was built; `p` may be changed later."""
    dims_of_sample: int | None = None
    """Dimensions of an input without a batch, where torch takes those."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Zeroes a share `p` of the elements or channels, and scales the others by 1 / (1 - p)."""
        if not self.training:
            return input
        if input.dim() == self.dims_of_sample:
            return self.forward(input[None])[0]
        shape = self.mask_shape(input)
        drawn = self.draws.batch(self.name, shape[0], math.prod(shape[1:]))
        mask = torch.from_numpy(drawn >= self.p).reshape(shape).to(input.device, input.dtype)
        out = input.mul_(mask) if self.inplace else input * mask
        # After the mask: 1 / (1 - p) rounded to bfloat16 would be wrong by 1e-3.
        return out.mul_(1.0 / (1.0 - self.p)) if self.p < 1.0 else out

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Returns the shape of a mask that drops whole channels of [N, C, ...]."""
        return (*x.shape[:2], *(1 for _ in x.shape[2:]))


class HostDropout(_OnHost, nn.Dropout):
    """Drops single elements."""

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Returns the shape of the input."""
        return tuple(x.shape)


class HostDropout1d(_OnHost, nn.Dropout1d):
    """Drops channels of [N, C, L] or [C, L]."""

    dims_of_sample = 2


class HostDropout2d(_OnHost, nn.Dropout2d):
    """Drops channels of [N, C, ...]."""


class HostDropout3d(_OnHost, nn.Dropout3d):
    """Drops channels of [N, C, D, H, W] or [C, D, H, W]."""

    dims_of_sample = 4


_ON_HOST: dict[type[nn.Module], type[_OnHost]] = {
    nn.Dropout: HostDropout,
    nn.Dropout1d: HostDropout1d,
    nn.Dropout2d: HostDropout2d,
    nn.Dropout3d: HostDropout3d,
}


def draw_on_host(network: nn.Module, draws: HostDraws) -> None:
    """Makes every dropout of the network draw its masks from `draws`, under the module's name.

    Raises:
        ConfigError: a module draws random numbers that this project cannot draw on the host.
    """
    for name, module in network.named_modules():
        kind = _ON_HOST.get(type(module))
        if kind is None and isinstance(module, _DropoutNd | nn.RReLU):
            raise ConfigError(
                f"--same-start: {name} is a {type(module).__name__}, which draws from the device's "
                f"generator; expected one of {', '.join(k.__name__ for k in _ON_HOST)}"
            )
        if kind is not None:
            assert isinstance(module, _DropoutNd)
            module.__class__ = kind
            assert isinstance(module, _OnHost)
            module.name, module.draws, module.stated_p = name, draws, module.p


def random_modules(network: nn.Module) -> list[_OnHost]:
    """Returns the modules that draw from the host, in the order of registration."""
    return [module for module in network.modules() if isinstance(module, _OnHost)]
