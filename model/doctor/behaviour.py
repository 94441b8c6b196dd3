"""Mixed precision, repeatability and random numbers on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from model.amp import AmpOptimWrapper
from model.devices import Device
from model.doctor.check import Asked, Result, ok, problem, warning
from model.doctor.hardware import chosen
from model.doctor.network import prepared
from model.environment import DTYPE_NAMES

REPEATS = 3


def autocast(asked: Asked) -> Result:
    """Trains for a step in the device's mixed precision; the loss must be near that in float32."""
    device = chosen(asked)
    name = DTYPE_NAMES[device.autocast]
    plain = float(prepared(device).backward())
    step = prepared(device)
    wrapper = AmpOptimWrapper(optimizer=step.optimizer)
    with wrapper.optim_context(step.network):
        x = torch.ones(1, 3, 8, 8, device=device.torch_type)
        kind = F.conv2d(x, torch.ones(4, 3, 3, 3, device=device.torch_type)).dtype
        loss = step.loss()
    wrapper.update_params(loss)
    mixed = float(loss.detach())
    if kind != device.autocast:
        return problem(
            f"a convolution under autocast gives {kind}; expected torch.{name}",
            "the plugin does not implement autocast: train without --amp, or update it",
        )
    limit = 32 * torch.finfo(device.autocast).eps
    if not abs(mixed - plain) <= limit * abs(plain):
        return problem(
            f"the loss is {mixed:g} in {name}, {plain:g} in float32; expected within {limit:.1%}",
            "train without --amp, or update the plugin",
        )
    return ok(f"a step in {name}; the loss differs by {abs(mixed / plain - 1):.1e}", dtype=name)


def deterministic(asked: Asked) -> Result:
    """Repeats a step with deterministic algorithms; loss and gradients must be the same bits."""
    device = chosen(asked)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=False)
    try:
        runs = [_bits(device) for _ in range(REPEATS)]
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        return warning(
            f"no deterministic kernel: {' '.join(str(error).split())[:160]}",
            "a repetition of a run will differ by rounding: compare several seeds",
        )
    finally:
        torch.use_deterministic_algorithms(before)
    same = all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))
    if not same:
        return problem(
            f"{REPEATS} equal steps with deterministic algorithms gave other bits",
            "kernels of the device are not repeatable: resumed runs and comparisons will differ",
        )
    return ok(f"{REPEATS} equal steps gave the same bits")


def _bits(device: Device) -> list[Tensor]:
    step = prepared(device)
    return [step.backward().cpu(), *step.gradients()]


def random_state(asked: Asked) -> Result:
    """Draws again after a seed, and after a saved state is restored; both must repeat."""
    device = chosen(asked)
    draws: dict[str, Callable[[], Tensor]] = {
        "normal numbers": lambda: torch.randn(64, device=device.torch_type),
        "dropout": lambda: F.dropout(torch.ones(64, device=device.torch_type), 0.5),
        "a permutation": lambda: torch.randperm(64, device=device.torch_type),
    }
    module: Any = torch if device.kind == "cpu" else device.module
    for name, draw in draws.items():
        if not _repeats(draw, lambda: torch.manual_seed(5), lambda _: torch.manual_seed(5)):
            return problem(
                f"{name} do not repeat after torch.manual_seed",
                "no run on this device can be repeated: update the plugin",
            )
    if not hasattr(module, "get_rng_state") or not hasattr(module, "set_rng_state"):
        return warning(
            "the device offers no get_rng_state and set_rng_state",
            "a resumed run draws other dropout masks: compare runs that were not interrupted",
        )
    for name, draw in draws.items():
        if not _repeats(draw, module.get_rng_state, module.set_rng_state):
            return problem(
                f"{name}: other values after set_rng_state(get_rng_state())",
                "a resumed run will not continue the draws: update the plugin",
            )
    return ok("the same draws after a seed, and after a state is restored")


def _repeats(
    draw: Callable[[], Tensor], save: Callable[[], Any], restore: Callable[[Any], Any]
) -> bool:
    """Returns whether a restored state repeats the draws, and unlike draws follow each other."""
    state = save()
    first, second = draw().cpu(), draw().cpu()
    restore(state)
    again = draw().cpu()
    return torch.equal(first, again) and not torch.equal(first, second)
