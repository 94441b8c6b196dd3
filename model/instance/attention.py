"""Criss-cross attention inside a stage of torchvision's ResNet.

Letters: N batch, C channel, h and w of the feature map.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model.heads.criss_cross import CrissCrossAttention

PLACES = {"c5": ("layer4", 0, 1), "res4": ("layer3", 1, 2)}
"""Where the attention may be: the stage, how many of its blocks follow, and by what factor the
stage has fewer channels than the last one.

`c5` is the end of stage 5, before the pyramid. `res4` is before the last block of stage 4: the
place of the block of "Non-local Neural Networks" (section 5.2) in Mask R-CNN.
"""


class AttendedStage(nn.Module):
    """The residual blocks of a stage, with `recurrence` rounds of attention before the last ones.

    The blocks keep their keys ('0', '1', ...); the attention's begin with 'cca'. It sees and gives
    all C channels of the stage, C / 8 in query and key: nothing reduces them, so with gamma at 0
    the stage computes what it does without attention, bit for bit.
    """

    def __init__(
        self, blocks: nn.Sequential, channels: int, *, following: int, recurrence: int
    ) -> None:
        super().__init__()
        self.attend_after = len(blocks) - following
        self.names = [str(i) for i in range(len(blocks))]
        for name, block in zip(self.names, blocks, strict=True):
            self.add_module(name, block)
        self.recurrence = recurrence
        self.cca = CrissCrossAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C', h', w'] to [N, C, h, w]."""
        for name in self.names[: self.attend_after]:
            x = getattr(self, name)(x)
        x = _in_format_of(x, self.cca(x, self.recurrence))
        for name in self.names[self.attend_after :]:
            x = getattr(self, name)(x)
        return x


def _in_format_of(x: Tensor, attended: Tensor) -> Tensor:
    """Returns `attended` in the memory format of `x`.

    What follows would choose other kernels for another format, and round otherwise.
    """
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    wanted = torch.channels_last if last else torch.contiguous_format
    return attended.contiguous(memory_format=wanted)


def attend(resnet: Any, *, place: str, recurrence: int) -> None:
    """Puts the attention into a ResNet of torchvision's; raises ValueError for another place."""
    if place not in PLACES:
        raise ValueError(f"attention place is {place!r}; expected {' or '.join(PLACES)}")
    stage, following, fewer = PLACES[place]
    attended = AttendedStage(
        getattr(resnet, stage),
        resnet.inplanes // fewer,
        following=following,
        recurrence=recurrence,
    )
    setattr(resnet, stage, attended)
