"""CCNet's head for clips: 3-D criss-cross attention, then the class scores of the middle frame.

Letters: N batch, T frame, C channel, E embedding channel, h and w of the feature map.

From the paper (TPAMI 2020): a 2-D backbone for each frame, the frames' features stacked along T,
attention over T, h and w, one prediction for a clip. Our choices, which it does not state: both
convolutions around the attention are the 2-D head's, the label is that of the middle frame, and
what follows the attention is computed for this frame alone. So a clip of one frame gets the 2-D
network's numbers, and weights of the 2-D network fit this one.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from model.heads.criss_cross import CCHead, CrissCrossAttention
from model.ops import criss_cross_attention_3d
from model.registry import MODELS


class CrissCrossAttention3D(CrissCrossAttention):
    """Criss-cross attention of clips [N, C, T, h, w] -> [N, C, T, h, w]."""

    def forward(self, x: Tensor, recurrence: int = 1) -> Tensor:
        """Maps [N, C, T, h, w] to the same shape, `recurrence` times with the same weights."""
        query, key, value = self.projections()
        return criss_cross_attention_3d(
            x, query, key, value, self.gamma.scale, recurrence=recurrence
        )


@MODELS.register_module()
class CCHead3D(CCHead):
    """The head of CCNet over features of clips [N, T, C, h, w]; three rounds see a whole clip.

    The result is that of the middle frame, number T // 2 from 0.
    """

    ATTENTION: ClassVar[type[CrissCrossAttention]] = CrissCrossAttention3D

    def __init__(self, *, recurrence: int = 3, **kwargs: Any) -> None:
        super().__init__(recurrence=recurrence, **kwargs)

    def attend(self, x: Tensor) -> Tensor:
        """Maps [N, T, C, h, w] to the attention's output for the middle frame [N, E, h, w]."""
        embedded = self.convs[0](x.flatten(0, 1)).unflatten(0, x.shape[:2])
        attended: Tensor = self.cca(embedded.transpose(1, 2), self.recurrence)
        return middle_frame(attended.transpose(1, 2))

    def merge(self, x: Tensor, y: Tensor) -> Tensor:
        """Returns `y` [N, E, h, w], merged with the middle frame of `x` [N, T, C, h, w]."""
        return super().merge(middle_frame(x), y)


def middle_frame(x: Tensor) -> Tensor:
    """Returns the middle frame [N, ...] of clips [N, T, ...]."""
    return x[:, x.shape[1] // 2]
