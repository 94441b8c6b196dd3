"""Faults of what is printed. Training itself stays the same to the bit.

They change what a step returns to the hooks, so that every log of the run tells the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import LoggerHook
from torch import Tensor

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault
from model.faults.rounding import MANTISSA, rounded
from model.hooks import PortLogHook
from model.losses import CrossEntropyLoss

Losses = dict[str, Tensor]  # 0-dim each; `loss` is the sum that was trained


def _print_instead(context: InjectionContext, loss: Callable[[Losses], Tensor]) -> None:
    """Prints what `loss` makes of a step's losses."""
    healthy = context.runner.model.train_step

    def train_step(*args: Any, **kwargs: Any) -> Losses:
        losses: Losses = healthy(*args, **kwargs)
        return {**losses, "loss": loss({k: v.detach() for k, v in losses.items()})}

    context.patch(context.runner.model, "train_step", train_step)


@fault("log", origin="the loss is divided for a sum over ranks that is not taken", ranks=2)
def log_divided(context: InjectionContext) -> None:
    """The first rank prints its loss divided by the number of ranks."""
    if context.rank == 0:
        _print_instead(context, lambda losses: losses["loss"] / context.world_size)


@fault("log", origin="the loss is read from a buffer that holds an element a sample")
def log_single_image(context: InjectionContext) -> None:
    """The printed loss is that of the batch's first image."""
    parts: list[Tensor] = []

    @torch.no_grad()
    def keep(
        module: CrossEntropyLoss, args: tuple[Tensor, Tensor], kwargs: dict[str, Any], _: Tensor
    ) -> None:
        scores, labels = args
        parts.append(module.forward(scores[:1], labels[:1], **kwargs))

    def first(_: Losses) -> Tensor:
        total = torch.stack(parts).sum()
        parts.clear()
        return total

    for loss in context.modules(CrossEntropyLoss):
        context.undo.callback(loss.register_forward_hook(keep, with_kwargs=True).remove)
    _print_instead(context, first)


@fault(
    "log",
    origin="a format with few digits",
    severity=Severity(default=2, meaning="digits after the point", low=0, high=12, whole=True),
)
def log_decimals(context: InjectionContext, severity: float) -> None:
    """The printed loss is cut to a few decimals."""

    def short(losses: Losses) -> Tensor:
        # in float64: a float32 that is read out would show its own digits again
        return losses["loss"].cpu().double().round(decimals=int(severity))

    _print_instead(context, short)


@fault(
    "log",
    origin="the loss is printed from the tensor of the forward pass, in its shorter type",
    severity=Severity(
        default=MANTISSA["bfloat16"], meaning="bits of mantissa", low=1, high=22, whole=True
    ),
)
def log_rounded(context: InjectionContext, severity: float) -> None:
    """The printed loss is rounded to a shorter type."""
    _print_instead(context, lambda losses: rounded(losses["loss"], int(severity)))


@fault(
    "log",
    origin="counting from 1, or the step is advanced before it is printed",
    severity=Severity(default=1, meaning="steps too many", low=1, high=10000, whole=True),
)
def log_step(context: InjectionContext, severity: float) -> None:
    """Losses are printed with the number of a later step."""
    for hook in context.runner.hooks:
        if isinstance(hook, PortLogHook | LoggerHook):
            context.patch(hook, "after_train_iter", _Later(hook, int(severity)))


class _Later:
    """A hook's `after_train_iter` that sees another step number."""

    def __init__(self, hook: PortLogHook | LoggerHook, steps: int) -> None:
        self.print = hook.after_train_iter
        self.steps = steps

    def __call__(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        runner.train_loop._iter += self.steps
        try:
            self.print(runner, *args, **kwargs)
        finally:
            runner.train_loop._iter -= self.steps


@fault(
    "log",
    origin="the trainer's meter prints its average instead of the value",
    severity=Severity(
        default=10, meaning="steps of the running mean", low=2, high=100000, whole=True
    ),
)
def log_smoothed(context: InjectionContext, severity: float) -> None:
    """The printed loss is a running mean."""
    window: deque[Tensor] = deque(maxlen=int(severity))

    def mean(losses: Losses) -> Tensor:
        window.append(losses["loss"])
        return torch.stack(tuple(window)).mean()

    _print_instead(context, mean)


@fault("log", origin="the trainer prints the main loss, and sums later")
def log_without_auxiliary(context: InjectionContext) -> None:
    """The printed loss is that of the decode head alone."""
    _print_instead(
        context,
        lambda losses: torch.stack(
            [v for k, v in losses.items() if k.startswith("decode.") and "loss" in k]
        ).sum(),
    )


@fault(
    "log",
    origin="the loss is printed before it is divided by the number of summed batches",
    severity=Severity(default=2.0, meaning="factor", low=0.0, high=65536.0),
)
def log_scaled(context: InjectionContext, severity: float) -> None:
    """The printed loss is too large by a factor."""
    _print_instead(context, lambda losses: losses["loss"] * severity)


@fault("log", origin="the loss is copied from the device without waiting for it")
def log_stale(context: InjectionContext) -> None:
    """The printed loss is that of the step before."""
    kept: list[Tensor] = []

    def previous(losses: Losses) -> Tensor:
        kept.append(losses["loss"])
        return kept.pop(0) if len(kept) > 1 else kept[0]

    _print_instead(context, previous)
