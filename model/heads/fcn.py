"""Fully convolutional head.

Letters: N batch, C channel, K class, h and w of the feature map.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model.heads.decode import DecodeHead
from model.layers import ConvModule
from model.registry import MODELS


@MODELS.register_module()
class FCNHead(DecodeHead):
    """`num_convs` blocks, then, with `concat_input`, one more over the input and their output.

    `dilation` spreads the kernels of the blocks, but not that of the one more.
    """

    def __init__(
        self,
        *,
        num_convs: int = 2,
        kernel_size: int = 3,
        concat_input: bool = True,
        dilation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_convs < 1:
            raise ValueError(f"num_convs is {num_convs}; expected at least 1")
        self.concat_input = concat_input
        widths = [self.in_channels] + [self.channels] * num_convs
        self.convs = nn.Sequential(
            *(
                ConvModule(
                    widths[i],
                    self.channels,
                    kernel_size,
                    norm_cfg=self.norm_cfg,
                    dilation=dilation,
                )
                for i in range(num_convs)
            )
        )
        if concat_input:
            self.conv_cat = ConvModule(
                self.in_channels + self.channels, self.channels, kernel_size, norm_cfg=self.norm_cfg
            )

    def features(self, x: Tensor) -> Tensor:
        """Maps [N, C, h, w] to [N, channels, h, w]."""
        return self.merge(x, self.convs(x))

    def merge(self, x: Tensor, y: Tensor) -> Tensor:
        """Returns `y` [N, channels, h, w], merged with the input `x` [N, C, h, w] if so set."""
        if not self.concat_input:
            return y
        merged: Tensor = self.conv_cat(torch.cat([x, y], dim=1))
        return merged
