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

Norm: TypeAlias = nn.BatchNorm2d | nn.GroupNorm
NORMS = (nn.BatchNorm2d, nn.GroupNorm)
_BATCH_NORMS: dict[str, type[nn.BatchNorm2d]] = {
    "BN": nn.BatchNorm2d,
    "BN2d": nn.BatchNorm2d,
    "SyncBN": SyncBatchNorm2d,
}


def build_norm(norm_cfg: Config, channels: int) -> Norm:
    """Returns the normalisation that `norm_cfg` names, for [N, channels, H, W].

    `type` is 'BN', 'SyncBN', or 'GN' with its `num_groups`; `requires_grad`, `eps` and, for batch
    normalisation, `momentum` may stand beside it.
    """
    options = dict(norm_cfg)
    kind = options.pop("type", None)
    requires_grad = options.pop("requires_grad", True)
    norm: Norm
    if kind == "GN":
        if "num_groups" not in options:
            raise ValueError("norm_cfg of type 'GN' has no num_groups; give it, as num_groups=32")
        norm = nn.GroupNorm(num_channels=channels, **options)
    elif kind in _BATCH_NORMS:
        norm = _BATCH_NORMS[kind](channels, **options)
    else:
        known = ", ".join([*_BATCH_NORMS, "GN"])
        raise ValueError(f"norm_cfg type {kind!r} is not known; expected one of {known}")
    norm.requires_grad_(requires_grad)
    return norm


def norm_key(norm_cfg: Config) -> str:
    """Returns what a normalisation is called in the keys of published checkpoints."""
    return "gn" if norm_cfg.get("type") == "GN" else "bn"


class ConvModule(nn.Module):
    """Convolution without bias, normalisation, ReLU: [N, C, H, W] -> [N, C', H, W]."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        norm_cfg: Config,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=kernel_size // 2 * dilation,
            dilation=dilation,
            bias=False,
        )
        self.norm_name = norm_key(norm_cfg)
        self.add_module(self.norm_name, build_norm(norm_cfg, out_channels))
        self.init_weights()

    @property
    def norm(self) -> Norm:
        """The normalisation."""
        found: Norm = getattr(self, self.norm_name)
        return found

    def init_weights(self) -> None:
        """Draws the convolution from Kaiming's normal (fan out, ReLU); resets the norm to 1."""
        init_conv(self.conv)
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] to [N, C', H, W]."""
        return F.relu(self.norm(self.conv(x)), inplace=True)


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
