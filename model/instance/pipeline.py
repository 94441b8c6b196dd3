"""Objects of an image through a pipeline: loaded, flipped with it, and packed for the network.

Arrays: `gt_bboxes` [N, 4] float32 (left, top, right, bottom), `gt_labels` [N], `gt_masks`
[N, H, W] uint8, for N objects in an image of H x W pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from numpy.typing import NDArray

from model.data.geometry import RandomFlip
from model.errors import DataError
from model.instance.masks import decode
from model.instance.structures import DetDataSample
from model.registry import TRANSFORMS

Results = dict[str, Any]
META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "flip", "flip_direction")


@TRANSFORMS.register_module()
class LoadInstances:
    """Adds boxes, labels and masks of the objects that the annotations of the image list."""

    def __call__(self, results: Results) -> Results:
        """Decodes `instances`; an image of another size than its annotations is a DataError."""
        height, width = results["ori_shape"]
        if (height, width) != (results["height"], results["width"]):
            raise DataError(
                f"{results['img_path']} is {width}x{height} pixels; the annotations say "
                f"{results['width']}x{results['height']}. Download the image again"
            )
        objects = results["instances"]
        boxes = [each["bbox"] for each in objects]
        results["gt_bboxes"] = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        results["gt_labels"] = np.array([each["label"] for each in objects], dtype=np.int64)
        results["gt_masks"] = decode([each["segmentation"] for each in objects], height, width)
        return results


@TRANSFORMS.register_module()
class RandomFlipInstances(RandomFlip):
    """Mirrors image, boxes and masks with probability `prob`."""

    def __call__(self, results: Results) -> Results:
        """Flips all of them, or none."""
        results = super().__call__(results)
        if results["flip"]:
            horizontal = self.direction == "horizontal"
            length = results["img"].shape[1 if horizontal else 0]
            results["gt_bboxes"] = _mirrored(results["gt_bboxes"], length, horizontal=horizontal)
            axis = 1 + self.AXIS[self.direction]
            results["gt_masks"] = np.flip(results["gt_masks"], axis=axis)
        return results


def _mirrored(boxes: NDArray[np.float32], length: int, *, horizontal: bool) -> NDArray[np.float32]:
    """Returns boxes [N, 4] mirrored in an image of `length` pixels along the axis."""
    low, high = (0, 2) if horizontal else (1, 3)
    mirrored = boxes.copy()
    mirrored[:, low], mirrored[:, high] = length - boxes[:, high], length - boxes[:, low]
    return mirrored


@TRANSFORMS.register_module()
class PackDetInputs:
    """Makes `{"inputs": uint8 tensor [3, H, W], "data_samples": DetDataSample}` of the results."""

    def __call__(self, results: Results) -> dict[str, Any]:
        """Packs one sample."""
        sample = DetDataSample()
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(results["gt_bboxes"]),
            labels=torch.from_numpy(results["gt_labels"]),
            masks=torch.from_numpy(np.ascontiguousarray(results["gt_masks"])),
        )
        sample.set_metainfo({key: results[key] for key in META_KEYS if key in results})
        channels_first = np.ascontiguousarray(results["img"].transpose(2, 0, 1))
        return {"inputs": torch.from_numpy(channels_first), "data_samples": sample}
