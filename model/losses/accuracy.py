"""The share of pixels that are right.

Letters: N batch, K class, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def accuracy(logits: Tensor, labels: Tensor, *, ignore_index: int = 255) -> Tensor:
    """Return the percentage of pixels whose best class is the label, shape [1].

    `logits` are [N, K, H, W], `labels` [N, H, W]; pixels labelled `ignore_index` do not count.
    Without any pixel that counts the result is 0. A percentage, since mmsegmentation logs one.
    """
    counted = labels != ignore_index
    right = ((logits.argmax(dim=1) == labels) & counted).sum().float()
    return (right * 100.0 / counted.sum().clamp_min(1)).reshape(1)
