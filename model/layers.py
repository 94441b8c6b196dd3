"""Building blocks shared by the backbone and the heads.

Letters: N batch, C channel, H height, W width.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.sync_batch_norm import SyncBatchNorm2d

Config: TypeAlias = dict[str, Any]

_NORMS: dict[str, type[nn.BatchNorm2d]] = {
    "BN": nn.BatchNorm2d,
    "BN2d": nn.BatchNorm2d,
    "SyncBN": SyncBatchNorm2d,
}


def build_norm(norm_cfg: Config, channels: int) -> nn.BatchNorm2d:
    """Returns the batch normalisation that `norm_cfg` names, for [N, channels, H, W].

    `type` is 'BN' or 'SyncBN'; `requires_grad`, `eps` and `momentum` may stand beside it.
    """
    options = dict(norm_cfg)
    kind = options.pop("type")
    if kind not in _NORMS:
        raise ValueError(f"norm_cfg type {kind!r} is not known; expected one of {sorted(_NORMS)}")
    requires_grad = options.pop("requires_grad", True)
    norm = _NORMS[kind](channels, **options)
    norm.requires_grad_(requires_grad)
    return norm


class ConvModule(nn.Module):
    """Convolution without bias, batch normalisation, ReLU: [N, C, H, W] -> [N, C', H, W]."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, norm_cfg: Config
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False
        )
        self.bn = build_norm(norm_cfg, out_channels)
        self.init_weights()

    def init_weights(self) -> None:
        """Draws the convolution from Kaiming's normal (fan out, ReLU); resets the norm to 1."""
        init_conv(self.conv)
        nn.init.ones_(self.bn.weight)
        nn.init.zeros_(self.bn.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] to [N, C', H, W]."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def init_conv(conv: nn.Conv2d) -> None:
    """Draws the weight [C', C, k, k] from Kaiming's normal (fan out, ReLU) and zeroes the bias."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def resize(x: Tensor, size: tuple[int, int] | torch.Size, *, align_corners: bool) -> Tensor:
    """Returns `x` [N, C, H, W] resampled bilinearly to [N, C, *size], or `x` itself if it fits."""
    height, width = size
    if tuple(x.shape[2:]) == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=align_corners)
