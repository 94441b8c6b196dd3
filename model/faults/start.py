"""Faults of the weights that a run starts from. A run that is resumed has them already."""

from __future__ import annotations

import torch
from torch import nn

from model.backbones.blocks import BasicBlock, Bottleneck
from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault
from model.heads.decode import DecodeHead


@fault(
    "training",
    origin="an initialisation written anew for the port, with another gain",
    severity=Severity(
        default=0.5, meaning="factor of the convolutions' weights", low=0.0, high=100.0
    ),
)
def init_scale(context: InjectionContext, severity: float) -> None:
    """The convolutions' weights start smaller or larger."""
    with torch.no_grad():
        for conv in context.modules(nn.Conv2d) if context.fresh else ():
            conv.weight.mul_(severity)


@fault("training", origin="frameworks disagree on what Kaiming's initialisation counts")
def init_fan_in(context: InjectionContext) -> None:
    """The backbone's convolutions are drawn by their inputs instead of their outputs."""
    for module in context.model.backbone.modules() if context.fresh else ():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


@fault("training", origin="a detail of the initialisation that is not in the paper")
def init_residual(context: InjectionContext) -> None:
    """Residual blocks do not start as identity: their last normalisation starts with weight 1."""
    for block in context.model.modules() if context.fresh else ():
        if isinstance(block, BasicBlock | Bottleneck):
            nn.init.ones_(block.last_norm.weight)


@fault("training", origin="the classifier is built after the weights have been initialised")
def init_classifier(context: InjectionContext) -> None:
    """The classifiers start from their framework's default."""
    if context.fresh:
        for head in _heads(context):
            head.conv_seg.reset_parameters()


@fault(
    "training",
    origin="weights of a converted checkpoint that are laid out differently",
    severity=Severity(default=1.0, meaning="bias of class 0", low=-100.0, high=100.0),
)
def init_bias(context: InjectionContext, severity: float) -> None:
    """The classifiers start with a bias for the first class."""
    if context.fresh:
        with torch.no_grad():
            for head in _heads(context):
                assert head.conv_seg.bias is not None
                head.conv_seg.bias[0] = severity


def _heads(context: InjectionContext) -> list[DecodeHead]:
    """Returns the decode head, and the auxiliary ones."""
    return [context.model.decode_head, *context.model._auxiliary_heads().values()]
