"""What all heads share: choice of the feature map, classifier, losses, prediction.

Letters: N batch, C channel, K class, h and w of the feature map, H and W of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from model.layers import Config, ConvModule, resize
from model.losses import accuracy
from model.registry import MODELS, TASK_UTILS
from model.structures import SegDataSample

_DEFAULT_LOSS = {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0}


class DecodeHead(BaseModule):
    """A head that maps one feature map [N, C, h, w] to class scores [N, K, h, w].

    `sampler` (say `dict(type='OHEMPixelSampler', thresh=0.7)`) chooses the pixels that the losses
    count.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        num_classes: int,
        in_index: int = -1,
        dropout_ratio: float = 0.1,
        norm_cfg: Config | None = None,
        align_corners: bool = False,
        ignore_index: int = 255,
        loss_decode: Config | Sequence[Config] = _DEFAULT_LOSS,
        sampler: Config | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.channels = channels
        self.num_classes = self.out_channels = num_classes
        self.in_index = in_index
        self.norm_cfg = norm_cfg or {"type": "BN"}
        self.align_corners = align_corners
        self.ignore_index = ignore_index
        self.conv_seg = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.dropout = nn.Dropout2d(dropout_ratio) if dropout_ratio > 0 else nn.Identity()
        configs = [loss_decode] if isinstance(loss_decode, dict) else list(loss_decode)
        self.loss_decode = nn.ModuleList(MODELS.build(config) for config in configs)
        self.sampler = None if sampler is None else TASK_UTILS.build(sampler)
        if self.sampler is not None:
            _check_pixel_losses(self.loss_decode)
        _init_classifier(self.conv_seg)

    def init_weights(self) -> None:
        """Starts afresh: Kaiming's normal in the blocks, N(0, 0.01) in the classifier."""
        for module in self.modules():
            if isinstance(module, ConvModule):
                module.init_weights()
        _init_classifier(self.conv_seg)

    def features(self, x: Tensor) -> Tensor:
        """Maps the chosen feature map [N, C, h, w] to what the classifier reads [N, C', h, w]."""
        raise NotImplementedError

    def classify(self, features: Tensor) -> Tensor:
        """Maps [N, C', h, w] to class scores [N, K, h, w]."""
        scores: Tensor = self.conv_seg(self.dropout(features))
        return scores

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps the backbone's outputs to class scores [N, K, h, w]."""
        return self.classify(self.features(inputs[self.in_index]))

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[SegDataSample], _: Any = None
    ) -> dict[str, Tensor]:
        """Returns the losses (0-dim) and `acc_seg` [1] for the labels in `data_samples`."""
        return self.losses(inputs, stack_labels(data_samples))

    def losses(self, inputs: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Returns the losses (0-dim) and `acc_seg` [1] for labels [N, H, W]."""
        return self.loss_by_scores(self.forward(inputs), labels)

    def loss_by_scores(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Returns the losses of scores [N, K, h, w] resized to the labels [N, H, W]."""
        scores = scores.contiguous()  # small; the full-size passes below are faster by plane
        resized = resize(scores, labels.shape[1:], align_corners=self.align_corners)
        losses: dict[str, Tensor] = {}
        options: dict[str, Any] = {"ignore_index": self.ignore_index}
        if self.sampler is not None:
            options["weight"] = self.sampler.weights(resized, labels, self.loss_decode, **options)
        for part in self.loss_decode:
            value = part(resized, labels, **options)
            name = str(part.loss_name)
            losses[name] = losses[name] + value if name in losses else value
        losses["acc_seg"] = accuracy(resized, labels, ignore_index=self.ignore_index)
        return losses

    def predict(self, inputs: Sequence[Tensor], size: tuple[int, int] | torch.Size) -> Tensor:
        """Returns class scores [N, K, *size]."""
        return resize(self.forward(inputs), size, align_corners=self.align_corners)


def stack_labels(data_samples: Sequence[SegDataSample]) -> Tensor:
    """Returns the labels of the samples as one tensor [N, H, W] of int64."""
    return torch.cat([sample.gt_sem_seg.data for sample in data_samples]).long()


def _check_pixel_losses(losses: nn.ModuleList) -> None:
    """Raises ValueError for a loss that is no sum over pixels, of which a sampler could choose."""
    for loss in losses:
        if not hasattr(loss, "of_pixels"):
            raise ValueError(
                f"sampler: {type(loss).__name__} has no loss for each pixel; expected "
                "CrossEntropyLoss alone in loss_decode"
            )


def _init_classifier(conv: nn.Conv2d) -> None:
    nn.init.normal_(conv.weight, std=0.01)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
