"""The training step by torch.compile, as `compile` of a config says.

mmengine compiles its `train_step`, which also handles samples and optimizers: it is compiled anew
in each step, since each sample has another path. Here the function of tensors alone is compiled,
from images and labels to losses, with the pass back.

A compiler may be wrong without an error: inductor of torch 2.13 gave gradients of zero for this
network on a CPU. So the gradients of the first batch are compared with those of the eager step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from model.errors import ConfigError

Losses = Callable[[Tensor, Tensor], dict[str, Tensor]]
TOLERANCE = 0.1
"""Relative difference of all gradients; roundings of bfloat16 stay far below."""


def compile_step(network: Any, setting: Any) -> None:
    """Compiles `network.losses`: with torch's defaults for True, or the arguments in a dict.

    False and None leave the network as it is. Raises ConfigError for anything else, and for
    arguments that `torch.compile` does not have.
    """
    if setting is None or setting is False:
        return
    if setting is not True and not isinstance(setting, Mapping):
        raise ConfigError(
            f"compile is {setting!r}; expected True, False or a dict, as "
            "--cfg-options compile.backend=NAME makes it"
        )
    if not hasattr(network, "losses"):
        raise ConfigError(
            f"compile: {type(network).__name__} has no function from tensors to losses that could "
            "be compiled; leave compile out"
        )
    arguments = {} if setting is True else dict(setting)
    eager = network.losses
    try:
        compiled = torch.compile(eager, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"compile={arguments}: torch.compile refuses it ({' '.join(str(error).split())}); "
            "expected its arguments, as in dict(backend='inductor', mode='default')"
        ) from error
    if arguments.get("backend", "inductor") == "inductor":
        torch._inductor.config.fallback_random = True  # the dropout masks of the eager step

    def first(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        check_gradients(network, eager, compiled, (images, labels))
        network.losses = compiled
        return compiled(images, labels)

    network.losses = first
    print_log("the training step is compiled: its first steps take long", logger="current")


def check_gradients(
    network: Any, eager: Losses, compiled: Losses, batch: tuple[Tensor, Tensor]
) -> None:
    """Raises ConfigError if the compiled step has other gradients on a batch than the eager step.

    The network's buffers and torch's generators are afterwards as before.
    """
    wanted = _gradients(network, eager, batch)
    found = _gradients(network, compiled, batch)
    apart = torch.linalg.vector_norm(found - wanted).item()
    size = torch.linalg.vector_norm(wanted).item()
    if not apart <= TOLERANCE * size:
        raise ConfigError(
            f"compile: with torch {torch.__version__} the compiled step has wrong gradients: on "
            f"the first batch they differ from the eager ones by {apart:.3g}, and these have "
            f"a norm of {size:.3g}. Train without compile, or with compile.backend=aot_eager"
        )


def _gradients(network: Any, losses: Losses, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Returns the gradients of all parameters, joined into one tensor in float32."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    parameters = [p for p in network.parameters() if p.requires_grad]
    seed = torch.initial_seed()  # the loop seeds each step, and nothing was drawn since
    torch.manual_seed(seed)
    parts = [value for name, value in losses(*batch).items() if "loss" in name]
    gradients = torch.autograd.grad(torch.stack(parts).sum(), parameters, allow_unused=True)
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
    torch.manual_seed(seed)
    pairs = zip(gradients, parameters, strict=True)
    flat = [torch.zeros_like(p) if g is None else g for g, p in pairs]
    return torch.cat([g.detach().float().flatten() for g in flat])
