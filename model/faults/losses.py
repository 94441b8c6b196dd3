"""Faults of the losses: their weights and what they divide by."""

from __future__ import annotations

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault
from model.losses import CrossEntropyLoss


@fault(
    "training",
    origin="the weight of the auxiliary loss is an argument that the port's trainer does not know",
    severity=Severity(default=1.0, meaning="weight", low=0.0, high=100.0),
)
def auxiliary_weight(context: InjectionContext, severity: float) -> None:
    """The auxiliary head's loss counts with another weight."""
    for head in context.model._auxiliary_heads().values():
        for loss in head.loss_decode:
            context.patch(loss, "loss_weight", severity)


@fault(
    "training",
    origin="weights of classes are given in the order of label ids instead of train ids",
    severity=Severity(
        default=2.0, meaning="weight of class 0; the others have 1", low=0.0, high=100.0
    ),
)
def class_weight(context: InjectionContext, severity: float) -> None:
    """One class counts more or less than the others."""
    for loss in context.modules(CrossEntropyLoss):
        context.patch(loss, "class_weight", (severity, *[1.0] * (context.model.num_classes - 1)))


@fault("training", origin="other frameworks average over the pixels that have a label")
def loss_over_labelled(context: InjectionContext) -> None:
    """The loss is divided by the number of pixels with a label, not by that of all."""
    for loss in context.modules(CrossEntropyLoss):
        context.patch(loss, "avg_non_ignore", True)
