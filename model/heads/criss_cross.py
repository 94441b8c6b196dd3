"""CCNet's head: recurrent criss-cross attention between two convolutions.

Letters: N batch, C channel, K class, E embedding channel, h and w of the feature map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from model.heads.fcn import FCNHead
from model.layers import Config
from model.ops import criss_cross_attention
from model.registry import MODELS

Projection = tuple[Tensor, Tensor]


class Scale(nn.Module):
    """A learnt 0-dim factor; a module of its own because of its key, `gamma.scale`."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(value, dtype=torch.float))

    def forward(self, x: Tensor) -> Tensor:
        """Returns `x`, of any shape, times the factor."""
        return x * self.scale


class CrissCrossAttention(nn.Module):
    """Criss-cross attention [N, C, h, w] -> [N, C, h, w]; C / 8 channels in query and key.

    gamma starts at 0: the module starts as identity, and more rounds change nothing at step 0.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, in_channels // 8, 1)
        self.key_conv = nn.Conv2d(in_channels, in_channels // 8, 1)
        self.value_conv = nn.Conv2d(in_channels, in_channels, 1)
        self.gamma = Scale(0.0)

    def reset_parameters(self) -> None:
        """Starts afresh: torch's default in the projections, gamma 0."""
        for conv in (self.query_conv, self.key_conv, self.value_conv):
            conv.reset_parameters()
        nn.init.zeros_(self.gamma.scale)

    def projections(self) -> tuple[Projection, Projection, Projection]:
        """Returns (weight, bias) of query, key and value."""
        return _weights(self.query_conv), _weights(self.key_conv), _weights(self.value_conv)

    def forward(self, x: Tensor, recurrence: int = 1) -> Tensor:
        """Maps [N, C, h, w] to the same shape, `recurrence` times with the same weights."""
        query, key, value = self.projections()
        return criss_cross_attention(x, query, key, value, self.gamma.scale, recurrence=recurrence)


@MODELS.register_module()
class CCHead(FCNHead):
    """Block, `recurrence` rounds of attention with shared weights, block, merge, classifier.

    `loss_consistency` (say `dict(type='CategoryConsistentLoss')`) adds a loss on a 1x1 reduction of
    the attention's output to `consistency_channels` channels. `ATTENTION` is what attends.
    """

    ATTENTION: ClassVar[type[CrissCrossAttention]] = CrissCrossAttention

    def __init__(
        self,
        *,
        recurrence: int = 2,
        loss_consistency: Config | None = None,
        consistency_channels: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_convs=2, **kwargs)
        self.recurrence = recurrence
        self.cca = self.ATTENTION(self.channels)
        self.loss_consistency: nn.Module | None = None
        if loss_consistency is not None:
            self.conv_consistency = nn.Conv2d(self.channels, consistency_channels, kernel_size=1)
            self.loss_consistency = MODELS.build(loss_consistency)

    def init_weights(self) -> None:
        """Starts afresh, the attention as identity."""
        super().init_weights()
        self.cca.reset_parameters()
        if self.loss_consistency is not None:
            self.conv_consistency.reset_parameters()

    def attend(self, x: Tensor) -> Tensor:
        """Maps [N, C, h, w] to the attention's output [N, channels, h, w]."""
        attended: Tensor = self.cca(self.convs[0](x), self.recurrence)
        return attended

    def features(self, x: Tensor) -> Tensor:
        """Maps [N, C, h, w] to [N, channels, h, w]."""
        return self.merge(x, self.convs[1](self.attend(x)))

    def losses(self, inputs: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Returns the losses (0-dim) and `acc_seg` [1] for labels [N, H, W]."""
        if self.loss_consistency is None:
            return super().losses(inputs, labels)
        x = inputs[self.in_index]
        attended = self.attend(x)
        scores = self.classify(self.merge(x, self.convs[1](attended)))
        losses = self.loss_by_scores(scores, labels)
        losses[str(self.loss_consistency.loss_name)] = self.loss_consistency(
            self.conv_consistency(attended), labels, ignore_index=self.ignore_index
        )
        return losses


def _weights(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    assert conv.bias is not None
    return conv.weight, conv.bias
