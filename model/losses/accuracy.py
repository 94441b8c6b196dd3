"""The share of pixels that are right.

Letters: N batch, K class, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def accuracy(logits: Tensor, labels: Tensor, *, ignore_index: int = 255) -> Tensor:
    """Returns the percentage of pixels whose best class is the label, shape [1].

    `logits` are [N, K, H, W], `labels` [N, H, W]; pixels labelled `ignore_index` do not count.
    Without any pixel that counts the result is 0. A percentage, since mmsegmentation logs one.
    """
    counted = labels != ignore_index
    index = labels.where(counted, 0)[:, None]
    best = logits.amax(dim=1, keepdim=True)
    # Comparisons of whole planes: an argmax over dim 1 takes ten times as long on a CPU. Of equal
    # scores the first class wins, as with argmax.
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
    beaten = ((logits == best) & (classes < index)).any(dim=1)
    right = (logits.gather(1, index) == best)[:, 0] & ~beaten & counted
    return (right.sum() * 100.0 / counted.sum().clamp_min(1)).reshape(1)
