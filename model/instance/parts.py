"""The parts of Mask R-CNN, made of torchvision's.

Letters: K class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from model.instance.attention import attend
from model.layers import Config, build_norm

DEPTHS = (18, 34, 50, 101, 152)
STAGES = ("layer1", "layer2", "layer3", "layer4")
LEARNING = ("layer4", "layer3", "layer2", "layer1", "conv1")
"""The parts of a ResNet in the order in which they are allowed to learn; 'bn1' is with 'conv1'."""
ASPECTS = (0.5, 1.0, 2.0)
BOX_SIDE = 7
"""Height and width of the features of a proposal."""


def resnet_with_pyramid(
    depth: int,
    pyramid_channels: int,
    *,
    norm_cfg: Config,
    trainable_layers: int,
    attention: Config | None,
) -> Any:
    """Returns a ResNet with attention in it and a pyramid of five levels, fresh weights.

    All but the last `trainable_layers` of its five parts are frozen.
    """
    from torchvision.models import resnet
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}; expected one of {', '.join(map(str, DEPTHS))}")
    body = getattr(resnet, f"resnet{depth}")(weights=None, norm_layer=_norm_layer(norm_cfg))
    if attention is not None:
        attend(body, **attention)
    _freeze(body, trainable_layers)
    channels = [body.inplanes // 2**halvings for halvings in (3, 2, 1, 0)]
    levels = {stage: str(level) for level, stage in enumerate(STAGES)}
    return BackboneWithFPN(body, levels, channels, pyramid_channels)


def _norm_layer(norm_cfg: Config) -> Callable[[int], nn.Module]:
    """Returns what makes the normalisation of a number of channels."""
    from torchvision.ops import FrozenBatchNorm2d

    if norm_cfg.get("type") == "FrozenBN":
        return partial(FrozenBatchNorm2d, **{k: v for k, v in norm_cfg.items() if k != "type"})
    return partial(build_norm, norm_cfg)


def _freeze(body: nn.Module, trainable_layers: int) -> None:
    """Freezes the parts of a ResNet that do not learn."""
    if not 0 <= trainable_layers <= len(LEARNING):
        raise ValueError(
            f"trainable_layers is {trainable_layers}; expected 0 to {len(LEARNING)}, the parts of "
            "the ResNet that learn"
        )
    learning = (*LEARNING[:trainable_layers], *(["bn1"] if trainable_layers == 5 else []))
    for name, parameter in body.named_parameters():
        if not name.startswith(learning):
            parameter.requires_grad_(False)


def build_detector(
    backbone: Any,
    num_classes: int,
    *,
    image_size: Sequence[int],
    anchor_sizes: Sequence[int],
    box_channels: int,
    box_samples: int,
) -> Any:
    """Returns torchvision's Mask R-CNN on a backbone, for K = `num_classes` and a background.

    `anchor_sizes` are in pixels, for each of the pyramid's five levels.
    """
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor

    levels, channels = len(STAGES) + 1, backbone.out_channels
    if len(anchor_sizes) != levels:
        raise ValueError(f"anchor_sizes has {len(anchor_sizes)} sizes; expected {levels}")
    return MaskRCNN(
        backbone,
        min_size=image_size[0],
        max_size=image_size[1],
        rpn_anchor_generator=AnchorGenerator(
            tuple((size,) for size in anchor_sizes), (ASPECTS,) * levels
        ),
        box_head=TwoMLPHead(channels * BOX_SIDE**2, box_channels),
        box_predictor=FastRCNNPredictor(box_channels, num_classes + 1),
        box_batch_size_per_image=box_samples,
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, num_classes + 1),
    )
