"""Faults between processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault
from model.sync_batch_norm import SyncBatchNorm2d


@fault("training", origin="the collective library has no mean, and nobody divides", ranks=2)
def gradients_summed(context: InjectionContext) -> None:
    """Gradients are added up over the ranks instead of averaged."""

    def scale() -> None:
        for parameter in context.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(context.world_size)

    context.before_update(scale)


@fault(
    "training", origin="the model is not wrapped, or a hook of the wrapper is not called", ranks=2
)
def gradients_not_reduced(context: InjectionContext) -> None:
    """Every rank trains on its own gradients."""
    context.patch(context.runner.model, "require_backward_grad_sync", False)


@fault("training", origin="a rank whose buffer is sent before it is filled", ranks=2)
def rank_contributes_nothing(context: InjectionContext) -> None:
    """The second rank's gradients enter the mean as 0."""
    if context.rank == 1:
        context.change_gradients(torch.zeros_like)


@fault("operator", origin="the port's device has no synchronised batch normalisation", ranks=2)
def batch_norm_unsynchronised(context: InjectionContext) -> None:
    """Batch normalisation by the statistics of each rank's own batch."""
    for norm in context.modules(SyncBatchNorm2d):
        context.patch(norm, "forward", _Local(norm))


class _Local:
    """The forward pass of a normalisation within one process."""

    def __init__(self, norm: SyncBatchNorm2d) -> None:
        self.norm = norm

    def __call__(self, x: Tensor) -> Tensor:
        return nn.BatchNorm2d.forward(self.norm, x)


@fault("training", origin="weights are drawn on each rank and not broadcast", ranks=2)
def ranks_start_apart(context: InjectionContext) -> None:
    """The second rank starts from other weights than the first."""
    if context.rank == 1 and context.fresh:
        context.model.init_weights()  # draws anew, from where the generator stands by now


@fault(
    "training",
    origin="an asynchronous update that is not waited for",
    severity=Severity(
        default=1, meaning="steps, the first of the run", low=1, high=10000, whole=True
    ),
    ranks=2,
)
def rank_stale(context: InjectionContext, severity: float) -> None:
    """The second rank misses the first updates and lags from then on."""
    kept: list[Tensor] = []

    def remember() -> None:
        kept[:] = (
            [p.detach().clone() for p in context.parameters()] if context.step < severity else []
        )

    @torch.no_grad()
    def put_back() -> None:
        for parameter, before in zip(context.parameters(), kept, strict=False):
            parameter.copy_(before)

    if context.rank == 1:
        context.before_update(remember)
        context.after_update(put_back)
