"""Faults of gradients: scaled, clipped, noisy or partly lost."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault


@fault(
    "training",
    origin="the loss scale, or the number of summed batches, is not divided out",
    severity=Severity(default=2.0, meaning="factor of the gradients", low=0.0, high=65536.0),
)
def gradients_scaled(context: InjectionContext, severity: float) -> None:
    """Gradients that are too large by a factor."""

    def scale() -> None:
        for parameter in context.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(severity)

    context.before_update(scale)


@fault(
    "training",
    origin="the port's trainer clips by default",
    severity=Severity(default=0.5, meaning="largest norm over all parameters", low=1e-6),
)
def gradients_clipped(context: InjectionContext, severity: float) -> None:
    """Gradients are clipped, while the config says they are not."""
    context.before_update(lambda: void(nn.utils.clip_grad_norm_(context.parameters(), severity)))


def void(_: object) -> None:
    """Forget a result."""


@fault(
    "operator",
    origin="sums in another order, reads before writes are done: errors that no run repeats",
    severity=Severity(
        default=0.1, meaning="noise, relative to the gradient's root mean square", low=0.0
    ),
)
def gradients_noisy(context: InjectionContext, severity: float) -> None:
    """Gradients with Gaussian noise."""

    def add(grad: Tensor) -> Tensor:
        return grad + torch.randn_like(grad) * (severity * grad.square().mean().sqrt())

    context.change_gradients(add)


@fault(
    "operator",
    origin="additions to one address that overwrite each other",
    severity=Severity(default=0.05, meaning="share of the gradients' elements", low=0.0, high=1.0),
)
def gradients_lost(context: InjectionContext, severity: float) -> None:
    """Some elements of the gradients, others in each step, are 0."""
    context.change_gradients(lambda grad: grad * (torch.rand_like(grad) >= severity))


@fault(
    "operator",
    origin="a reduction that returns before it is done, now and then",
    severity=Severity(
        default=4, meaning="updates from one to the next", low=1, high=10000, whole=True
    ),
)
def gradient_dropped(context: InjectionContext, severity: float) -> None:
    """Every so many updates the gradient of the decode head's first convolution is 0."""
    weight = context.model.decode_head.convs[0].conv.weight

    def drop() -> None:
        if context.update % int(severity) == int(severity) - 1 and weight.grad is not None:
            weight.grad.zero_()

    context.before_update(drop)
