"""Sliding crops, undoing of padding and flips, test-time augmentation.

Letters: N batch, K class, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from torch import Tensor

from model.layers import resize
from model.registry import MODELS
from model.structures import SegDataSample


def slide(
    scores_of: Callable[[Tensor], Tensor],
    image: Tensor,
    classes: int,
    *,
    crop: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    """Returns class scores [N, K, H, W] of `image`, averaged over overlapping crops.

    `image` is [N, 3, H, W], or clips [N, T, 3, H, W]. `crop` and `stride` are (H, W). The last crop
    of a row or column is moved back to end with the image, so that all crops have one size where
    the image allows it.
    """
    n, (height, width) = image.shape[0], image.shape[-2:]
    total: Tensor | None = None
    count = image.new_zeros(1, 1, height, width)
    for top in _starts(height, crop[0], stride[0]):
        for left in _starts(width, crop[1], stride[1]):
            part = (..., slice(top, top + crop[0]), slice(left, left + crop[1]))
            scores = scores_of(image[part])
            if total is None:
                total = scores.new_zeros(n, classes, height, width)
            total[part] += scores
            count[part] += 1
    assert total is not None
    return total / count


def _starts(size: int, crop: int, stride: int) -> list[int]:
    """Returns where crops of length `crop` begin so that they cover `size` pixels."""
    if size <= crop:
        return [0]
    starts = range(0, size - crop + stride, stride)
    return [min(start, size - crop) for start in starts]


def undo(scores: Tensor, metainfo: Mapping[str, Any], *, align_corners: bool) -> Tensor:
    """Returns `scores` [K, H, W] without padding and flip, resized to the sample's `ori_shape`.

    Where the flip swapped labels (`swap_seg_labels`), the classes' scores are swapped back.
    """
    left, right, top, bottom = metainfo.get("img_padding_size", (0, 0, 0, 0))
    height, width = scores.shape[-2:]
    scores = scores[:, top : height - bottom, left : width - right]
    if metainfo.get("flip"):
        direction = metainfo.get("flip_direction", "horizontal")
        if direction not in ("horizontal", "vertical"):
            raise ValueError(f"flip_direction is {direction!r}; expected horizontal or vertical")
        scores = scores.flip(dims=(2,) if direction == "horizontal" else (1,))
        if pairs := metainfo.get("swap_seg_labels"):
            scores = _swap(scores, pairs)
    size = tuple(metainfo.get("ori_shape", scores.shape[-2:]))[:2]
    return resize(scores[None], (size[0], size[1]), align_corners=align_corners)[0]


def _swap(scores: Tensor, pairs: Sequence[Sequence[int]]) -> Tensor:
    """Returns `scores` [K, H, W] with the classes of each pair in each other's place."""
    order = list(range(len(scores)))
    for one, other in pairs:
        order[one], order[other] = other, one
    return scores[order]


@MODELS.register_module()
class SegTTAModel(BaseTTAModel):
    """Averages the class probabilities over the scaled and flipped versions of an image."""

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Returns one sample an image; each inner list holds its versions, [K, H, W] all alike."""
        return [self._merge(versions) for versions in data_samples_list]

    @staticmethod
    def _merge(versions: list[SegDataSample]) -> SegDataSample:
        """Returns the first sample with the mean probabilities' class [1, H, W] as prediction."""
        first = versions[0]
        mean = torch.zeros_like(first.seg_logits.data)
        for version in versions:
            mean += version.seg_logits.data.softmax(dim=0) / len(versions)
        merged = SegDataSample(metainfo=first.metainfo)
        if "gt_sem_seg" in first:
            merged.gt_sem_seg = first.gt_sem_seg
        merged.pred_sem_seg = PixelData(data=mean.argmax(dim=0, keepdim=True))
        return merged
