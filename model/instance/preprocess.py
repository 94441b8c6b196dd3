"""From the images of a loader to what torchvision's detectors take.

Letters: H and W of an image; every image of a batch has its own.
"""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from model.registry import MODELS


@MODELS.register_module()
class DetDataPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device; images become RGB in float32 from 0 to 1.

    The detector itself normalises, resizes and pads.
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:  # noqa: ARG002
        """Returns `inputs`, a list of images [3, H, W], and `data_samples` of a loader's batch.

        `data['inputs']` is a list of uint8 images [3, H, W] in BGR.
        """
        moved = self.cast_data(data)
        return {
            "inputs": [_rgb(image) for image in moved["inputs"]],
            "data_samples": moved.get("data_samples"),
        }


def _rgb(image: Tensor) -> Tensor:
    """Returns an image [3, H, W], BGR from 0 to 255, as RGB from 0 to 1."""
    return image.flip(0).float() / 255
