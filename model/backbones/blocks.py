"""The two residual blocks of ResNet.

Letters: N batch, C channel, H height, W width. A block maps [N, C, H, W] to
[N, C' * expansion, ceil(H / stride), ceil(W / stride)].
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from model.layers import Config, build_norm


def conv3x3(in_channels: int, channels: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Returns a 3x3 convolution without bias that keeps H and W at stride 1."""
    return nn.Conv2d(
        in_channels, channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )


class ResidualBlock(nn.Module):
    """Adds the output of `branch` to the input, or to its `downsample`, and applies ReLU."""

    expansion: ClassVar[int]
    downsample: nn.Module | None
    relu: nn.ReLU

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The normalisation whose weight starts at 0, so that the block starts as identity."""
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        """Returns what the convolutions make of [N, C, H, W], before the sum."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] as the module says."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.branch(x)
        out += identity
        return self.relu(out)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions; stride and dilation sit on the first."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int,
        dilation: int,
        downsample: nn.Module | None,
        norm_cfg: Config,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride=stride, dilation=dilation)
        self.bn1 = build_norm(norm_cfg, channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = build_norm(norm_cfg, channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The second normalisation."""
        return self.bn2

    def branch(self, x: Tensor) -> Tensor:
        """Returns the output of both convolutions."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))


class Bottleneck(ResidualBlock):
    """1x1, 3x3, 1x1 convolutions; stride and dilation sit on the 3x3 (the 'pytorch' style)."""

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int,
        dilation: int,
        downsample: nn.Module | None,
        norm_cfg: Config,
    ) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = build_norm(norm_cfg, channels)
        self.conv2 = conv3x3(channels, channels, stride=stride, dilation=dilation)
        self.bn2 = build_norm(norm_cfg, channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = build_norm(norm_cfg, out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The third normalisation."""
        return self.bn3

    def branch(self, x: Tensor) -> Tensor:
        """Returns the output of the three convolutions."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))
