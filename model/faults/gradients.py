"""Faults of gradients: scaled, clipped, noisy or partly lost."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.faults.fault import Dose, fault
from model.faults.site import Site


@fault(
    "training",
    origin="the loss scale, or the number of summed batches, is not divided out",
    dose=Dose(default=2.0, meaning="factor of the gradients", low=0.0, high=65536.0),
)
def gradients_scaled(site: Site, dose: float) -> None:
    """Gradients that are too large by a factor."""

    def scale() -> None:
        for parameter in site.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(dose)

    site.before_update(scale)


@fault(
    "training",
    origin="the port's trainer clips by default",
    dose=Dose(default=0.5, meaning="largest norm over all parameters", low=1e-6),
)
def gradients_clipped(site: Site, dose: float) -> None:
    """Gradients are clipped, while the config says they are not."""
    site.before_update(lambda: void(nn.utils.clip_grad_norm_(site.parameters(), dose)))


def void(_: object) -> None:
    """Forget a result."""


@fault(
    "operator",
    origin="sums in another order, reads before writes are done: errors that no run repeats",
    dose=Dose(default=0.1, meaning="noise, relative to the gradient's root mean square", low=0.0),
)
def gradients_noisy(site: Site, dose: float) -> None:
    """Gradients with Gaussian noise."""

    def add(grad: Tensor) -> Tensor:
        return grad + torch.randn_like(grad) * (dose * grad.square().mean().sqrt())

    site.change_gradients(add)


@fault(
    "operator",
    origin="additions to one address that overwrite each other",
    dose=Dose(default=0.05, meaning="share of the gradients' elements", low=0.0, high=1.0),
)
def gradients_lost(site: Site, dose: float) -> None:
    """Some elements of the gradients, others in each step, are 0."""
    site.change_gradients(lambda grad: grad * (torch.rand_like(grad) >= dose))


@fault(
    "operator",
    origin="a reduction that returns before it is done, now and then",
    dose=Dose(default=4, meaning="updates from one to the next", low=1, high=10000, whole=True),
)
def gradient_dropped(site: Site, dose: float) -> None:
    """Every so many updates the gradient of the decode head's first convolution is 0."""
    weight = site.model.decode_head.convs[0].conv.weight

    def drop() -> None:
        if site.update % int(dose) == int(dose) - 1 and weight.grad is not None:
            weight.grad.zero_()

    site.before_update(drop)
