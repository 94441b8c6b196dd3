"""The two residual blocks of ResNet.

Letters: N batch, C channel, H height, W width. A block maps [N, C, H, W] to
[N, C' * expansion, ceil(H / stride), ceil(W / stride)].
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from model.layers import Config, Norm, build_norm, norm_key


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

    def _add_norm(self, place: int, channels: int, norm_cfg: Config) -> None:
        """Adds the normalisation after convolution `place`, under its published key."""
        self.norm_name = norm_key(norm_cfg)
        self.add_module(f"{self.norm_name}{place}", build_norm(norm_cfg, channels))

    def norm(self, place: int) -> Norm:
        """Returns the normalisation after convolution `place`."""
        found: Norm = getattr(self, f"{self.norm_name}{place}")
        return found

    @property
    def last_norm(self) -> Norm:
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
        self._add_norm(1, channels, norm_cfg)
        self.conv2 = conv3x3(channels, channels)
        self._add_norm(2, channels, norm_cfg)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    @property
    def last_norm(self) -> Norm:
        """The second normalisation."""
        return self.norm(2)

    def branch(self, x: Tensor) -> Tensor:
        """Returns the output of both convolutions."""
        out = self.relu(self.norm(1)(self.conv1(x)))
        return self.norm(2)(self.conv2(out))


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
        self._add_norm(1, channels, norm_cfg)
        self.conv2 = conv3x3(channels, channels, stride=stride, dilation=dilation)
        self._add_norm(2, channels, norm_cfg)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self._add_norm(3, out_channels, norm_cfg)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    @property
    def last_norm(self) -> Norm:
        """The third normalisation."""
        return self.norm(3)

    def branch(self, x: Tensor) -> Tensor:
        """Returns the output of the three convolutions."""
        out = self.relu(self.norm(1)(self.conv1(x)))
        out = self.relu(self.norm(2)(self.conv2(out)))
        return self.norm(3)(self.conv3(out))
