"""Faults of the weights that a run starts from. A run that is resumed has them already."""

from __future__ import annotations

import torch
from torch import nn

from model.backbones.blocks import BasicBlock, Bottleneck
from model.faults.fault import Dose, fault
from model.faults.site import Site
from model.heads.decode import DecodeHead


@fault(
    "training",
    origin="an initialisation written anew for the port, with another gain",
    dose=Dose(default=0.5, meaning="factor of the convolutions' weights", low=0.0, high=100.0),
)
def init_scale(site: Site, dose: float) -> None:
    """The convolutions' weights start smaller or larger."""
    with torch.no_grad():
        for conv in site.modules(nn.Conv2d) if site.fresh else ():
            conv.weight.mul_(dose)


@fault("training", origin="frameworks disagree on what Kaiming's initialisation counts")
def init_fan_in(site: Site) -> None:
    """The backbone's convolutions are drawn by their inputs in place of their outputs."""
    for module in site.model.backbone.modules() if site.fresh else ():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


@fault("training", origin="a detail of the initialisation that is not in the paper")
def init_residual(site: Site) -> None:
    """Residual blocks do not start as identity: their last normalisation starts with weight 1."""
    for block in site.model.modules() if site.fresh else ():
        if isinstance(block, BasicBlock | Bottleneck):
            nn.init.ones_(block.last_norm.weight)


@fault("training", origin="the classifier is built after the weights have been initialised")
def init_classifier(site: Site) -> None:
    """The classifiers start from their framework's default."""
    if site.fresh:
        for head in _heads(site):
            head.conv_seg.reset_parameters()


@fault(
    "training",
    origin="weights of a converted checkpoint that are laid out differently",
    dose=Dose(default=1.0, meaning="bias of class 0", low=-100.0, high=100.0),
)
def init_bias(site: Site, dose: float) -> None:
    """The classifiers start with a bias for the first class."""
    if site.fresh:
        with torch.no_grad():
            for head in _heads(site):
                assert head.conv_seg.bias is not None
                head.conv_seg.bias[0] = dose


def _heads(site: Site) -> list[DecodeHead]:
    """The decode head, and the auxiliary ones."""
    return [site.model.decode_head, *site.model._auxiliary_heads().values()]
