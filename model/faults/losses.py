"""Faults of the losses: their weights and what they divide by."""

from __future__ import annotations

from model.faults.fault import Dose, fault
from model.faults.site import Site
from model.losses import CrossEntropyLoss


@fault(
    "training",
    origin="the weight of the auxiliary loss is an argument that the port's trainer does not know",
    dose=Dose(default=1.0, meaning="weight", low=0.0, high=100.0),
)
def auxiliary_weight(site: Site, dose: float) -> None:
    """The auxiliary head's loss counts with another weight."""
    for head in site.model._auxiliary_heads().values():
        for loss in head.loss_decode:
            site.patch(loss, "loss_weight", dose)


@fault(
    "training",
    origin="weights of classes are given in the order of label ids in place of train ids",
    dose=Dose(default=2.0, meaning="weight of class 0; the others have 1", low=0.0, high=100.0),
)
def class_weight(site: Site, dose: float) -> None:
    """One class counts more or less than the others."""
    for loss in site.modules(CrossEntropyLoss):
        site.patch(loss, "class_weight", (dose, *[1.0] * (site.model.num_classes - 1)))


@fault("training", origin="other frameworks average over the pixels that have a label")
def loss_over_labelled(site: Site) -> None:
    """The loss is divided by the number of pixels with a label, not by that of all."""
    for loss in site.modules(CrossEntropyLoss):
        site.patch(loss, "avg_non_ignore", True)
