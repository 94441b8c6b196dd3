"""Cross-entropy over pixels, averaged as mmsegmentation averages it.

Letters: N batch, K class, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.registry import MODELS


@MODELS.register_module()
class CrossEntropyLoss(nn.Module):
    """Softmax cross-entropy of [N, K, H, W] scores against [N, H, W] labels, a 0-dim tensor.

    The sum over pixels is divided by the number of all pixels, ignored ones included
    (`avg_non_ignore=False`, mmsegmentation's default), or of those that count (True). With
    `class_weight` (K numbers) each pixel counts as much as its class; ignored ones never do.
    """

    def __init__(
        self,
        *,
        use_sigmoid: bool = False,
        loss_weight: float = 1.0,
        class_weight: Sequence[float] | None = None,
        avg_non_ignore: bool = False,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        if use_sigmoid:
            raise ValueError("use_sigmoid=True is not supported; expected False")
        self.loss_weight = loss_weight
        self.class_weight = None if class_weight is None else tuple(class_weight)
        self.avg_non_ignore = avg_non_ignore
        self.loss_name = loss_name

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        *,
        ignore_index: int = 255,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Returns the weighted mean loss, 0-dim, of [N, K, H, W] scores and [N, H, W] labels.

        `weight` [N, H, W] multiplies the losses of the pixels; what they are divided by stays.
        """
        if weight is None:
            total = self._entropy(logits, labels, ignore_index, reduction="sum")
        else:
            total = (self._entropy(logits, labels, ignore_index) * weight).sum()
        return self.loss_weight * total / self._divisor(logits, labels, ignore_index)

    def of_pixels(self, logits: Tensor, labels: Tensor, *, ignore_index: int = 255) -> Tensor:
        """Returns the weighted loss of each pixel [N, H, W], 0 where ignored."""
        return self.loss_weight * self._entropy(logits, labels, ignore_index)

    def _entropy(
        self, logits: Tensor, labels: Tensor, ignore_index: int, *, reduction: str = "none"
    ) -> Tensor:
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()  # a sum over 10^6 pixels does not fit in 8 bits
        weight = None if self.class_weight is None else logits.new_tensor(self.class_weight)
        return F.cross_entropy(
            logits, labels, weight=weight, ignore_index=ignore_index, reduction=reduction
        )

    def _divisor(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor | float:
        """Returns what the sum is divided by, at least a tiny number."""
        counted = labels != ignore_index
        if self.class_weight is not None:
            weight = torch.tensor(self.class_weight, device=logits.device)
            total = weight[labels.where(counted, 0)].where(counted, 0.0).sum()
            return total.clamp_min(torch.finfo(total.dtype).eps)
        if self.avg_non_ignore:
            return counted.sum().clamp_min(1)
        return float(max(1, labels.numel()))
