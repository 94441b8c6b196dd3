"""Dice loss over all classes and pixels of an image, as mmsegmentation defines it.

Letters: N batch, K class, H height, W width.
Source: Milletari et al., V-Net (squares in the denominator); `naive_dice` has the plain sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.registry import MODELS


@MODELS.register_module()
class DiceLoss(nn.Module):
    """1 - 2 |p t| / (|p|^2 + |t|^2) an image, for [N, K, H, W] scores and [N, H, W] labels.

    A pixel labelled beyond the K classes has no class in t, but its p counts. `ignore_index` leaves
    out the class of that number, not the pixels. `activate=False` takes the scores as p.
    """

    def __init__(
        self,
        *,
        use_sigmoid: bool = True,
        activate: bool = True,
        reduction: str = "mean",
        naive_dice: bool = False,
        loss_weight: float = 1.0,
        ignore_index: int | None = 255,
        eps: float = 1e-3,
        loss_name: str = "loss_dice",
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction is {reduction!r}; expected 'mean' or 'sum'")
        self.use_sigmoid, self.activate, self.naive_dice = use_sigmoid, activate, naive_dice
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self.eps = eps
        self.loss_name = loss_name

    def forward(self, logits: Tensor, labels: Tensor, *, ignore_index: int = 255) -> Tensor:  # noqa: ARG002 - the head's, which mmsegmentation does not use here either
        """Returns the weighted loss, 0-dim, of [N, K, H, W] scores and [N, H, W] labels."""
        classes = logits.shape[1]
        one_hot = F.one_hot(labels.clamp(0, classes), classes + 1)[..., :classes]
        kept = [c for c in range(classes) if c != self.ignore_index]
        p = self._activated(logits.float())[:, kept].flatten(1)
        t = one_hot.permute(0, 3, 1, 2)[:, kept].flatten(1).to(p.dtype)
        both = (p * t).sum(1)
        if self.naive_dice:
            dice = (2 * both + self.eps) / (p.sum(1) + t.sum(1) + self.eps)
        else:
            dice = 2 * both / (p.square().sum(1) + t.square().sum(1) + 2 * self.eps)
        loss = 1 - dice
        return self.loss_weight * (loss.mean() if self.reduction == "mean" else loss.sum())

    def _activated(self, logits: Tensor) -> Tensor:
        """Returns probabilities; one channel has no softmax."""
        if not self.activate:
            return logits
        if self.use_sigmoid:
            return torch.sigmoid(logits)
        return logits.softmax(dim=1) if logits.shape[1] > 1 else logits
