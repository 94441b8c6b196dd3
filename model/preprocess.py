"""From the images of a loader to a normalised batch.

Letters: N batch, T frame, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn import functional as F

from model.registry import MODELS
from model.structures import SegDataSample


@MODELS.register_module()
class SegDataPreProcessor(BaseDataPreprocessor):
    """Moves to the device, reorders channels, normalises, pads right and bottom, and stacks.

    Padding follows normalising, so that padded pixels are `pad_val` in the network's units; labels
    are padded with `seg_pad_val`. In training the target is `size` (H, W) or a multiple of
    `size_divisor`; in testing images are padded only when `test_cfg` says so.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        size: Sequence[int] | None = None,
        size_divisor: int | None = None,
        pad_val: float = 0,
        seg_pad_val: int = 255,
        bgr_to_rgb: bool = False,
        rgb_to_bgr: bool = False,
        test_cfg: dict[str, Any] | None = None,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        if (mean is None) != (std is None):
            raise ValueError("mean and std must be given together")
        if bgr_to_rgb and rgb_to_bgr:
            raise ValueError("bgr_to_rgb and rgb_to_bgr exclude each other")
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.size_divisor = size_divisor
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val
        self.channel_conversion = bgr_to_rgb or rgb_to_bgr
        self.test_cfg = dict(test_cfg or {})
        self._enable_normalize = mean is not None
        if mean is not None and std is not None:
            self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns `inputs` [N, 3, H, W] float32 and `data_samples` of a loader's batch.

        `data['inputs']` is a list of [3, H, W] images or one [N, 3, H, W], `data_samples` a list
        or absent. Clips have one axis more: [T, 3, H, W], [N, T, 3, H, W]. The samples learn
        `pad_shape` and `img_padding_size` (left, right, top, bottom).
        """
        data = self.cast_data(data)
        images = [self._normalise(image) for image in data["inputs"]]
        samples: list[SegDataSample] | None = data.get("data_samples")
        if training:
            size, divisor = self.size, self.size_divisor
        else:
            shapes = {tuple(image.shape) for image in images}
            if len(shapes) > 1:
                raise ValueError(f"a test batch holds images of one size; got {sorted(shapes)}")
            wanted = self.test_cfg.get("size")
            size = None if wanted is None else (int(wanted[0]), int(wanted[1]))
            divisor = self.test_cfg.get("size_divisor")
        target = _target(images, size, divisor)
        batch = torch.stack([_pad(image, target, self.pad_val) for image in images])
        for image, sample in zip(images, samples or [], strict=bool(samples)):
            self._pad_sample(sample, image, target, with_labels=training)
        return {"inputs": batch, "data_samples": samples}

    def _normalise(self, image: Tensor) -> Tensor:
        """Returns [..., 3, H, W] in float32, channels reordered, zero mean and unit spread."""
        if self.channel_conversion and image.shape[-3] == 3:
            image = image.flip(-3)
        image = image.float()
        return (image - self.mean) / self.std if self._enable_normalize else image

    def _pad_sample(
        self, sample: SegDataSample, image: Tensor, target: tuple[int, int], *, with_labels: bool
    ) -> None:
        """Writes into `sample` how `image` [3, H, W] was padded; pads its labels [1, H, W]."""
        height, width = image.shape[-2:]
        padding = (0, target[1] - width, 0, target[0] - height)
        shapes = {"pad_shape": target, "padding_size": padding, "img_padding_size": padding}
        sample.set_metainfo({"img_shape": (height, width), **shapes})
        if with_labels and "gt_sem_seg" in sample:
            labels = sample.gt_sem_seg
            padded = _pad(labels.data, target, self.seg_pad_val)
            del labels.data
            labels.data = padded


def _target(
    images: Sequence[Tensor], size: tuple[int, int] | None, divisor: int | None
) -> tuple[int, int]:
    """Returns the (H, W) to pad [3, H, W] images to: at least the largest of them."""
    height = max(image.shape[-2] for image in images)
    width = max(image.shape[-1] for image in images)
    if size is not None:
        return max(height, size[0]), max(width, size[1])
    if divisor:
        return -(-height // divisor) * divisor, -(-width // divisor) * divisor
    return height, width


def _pad(x: Tensor, target: tuple[int, int], value: float) -> Tensor:
    """Returns `x` [..., H, W] padded right and bottom with `value` to the target (H, W)."""
    right, bottom = target[1] - x.shape[-1], target[0] - x.shape[-2]
    return F.pad(x, (0, right, 0, bottom), value=value) if right or bottom else x
