"""Online hard example mining: the loss counts the pixels on which the network does badly.

The semantics are mmsegmentation's. Letters: N batch, K class, H height, W width, P pixels that
count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from model.registry import TASK_UTILS


@TASK_UTILS.register_module()
class OHEMPixelSampler:
    """Chooses pixels by the probability of their class, or, without `thresh`, by their loss.

    With `thresh`, a pixel is hard if its class has a lower probability than that. At least
    `min_kept` pixels an image of the batch are kept if they are there: the limit is raised to the
    probability of the pixel at place `min_kept * N`, counted from 0, of all sorted by probability,
    and only pixels below the limit are kept. Without `thresh`, the `min_kept * N` pixels with the
    highest losses are kept. Pixels labelled `ignore_index` are never kept.
    """

    def __init__(self, *, thresh: float | None = None, min_kept: int = 100000) -> None:
        if thresh is not None and not isinstance(thresh, (int, float)):
            raise TypeError(f"thresh is {thresh!r}; expected a number, or None for the losses")
        if min_kept <= 1:
            raise ValueError(f"min_kept is {min_kept}; expected at least 2 pixels an image")
        self.thresh = thresh
        self.min_kept = min_kept

    @torch.no_grad()
    def weights(
        self, scores: Tensor, labels: Tensor, losses: Sequence[Any], *, ignore_index: int = 255
    ) -> Tensor:
        """Returns 1.0 for kept pixels and 0.0 for others, [N, H, W] in float32.

        `scores` are [N, K, H, W], `labels` [N, H, W]; `losses` are those that the pixels are for.
        """
        counted = labels != ignore_index
        wanted = self.min_kept * len(labels)
        if self.thresh is None:
            parts = [loss.of_pixels(scores, labels, ignore_index=ignore_index) for loss in losses]
            kept = _highest(torch.stack(parts).sum(0)[counted], wanted)
        else:
            index = labels.where(counted, 0)[:, None]
            right = scores.float().softmax(dim=1).gather(1, index)[:, 0]
            kept = _below(right[counted], wanted, self.thresh)
        weights = torch.zeros_like(labels, dtype=torch.float32)
        weights[counted] = kept.float()
        return weights


def _highest(losses: Tensor, wanted: int) -> Tensor:
    """Returns which of [P] losses are among the highest `wanted`, [P]."""
    kept = torch.zeros_like(losses, dtype=torch.bool)
    kept[losses.argsort(descending=True)[:wanted]] = True
    return kept


def _below(right: Tensor, wanted: int, thresh: float) -> Tensor:
    """Returns which of the probabilities [P] lie below the threshold, or the raised one, [P]."""
    if right.numel() == 0:
        return right < thresh
    place = min(wanted, right.numel() - 1)
    return right < right.sort().values[place].clamp_min(thresh)
