"""Masks of objects, as COCO's files write them and as arrays.

Letters: N object, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rle = dict[str, Any]
FARTHEST = 1e9
"""Pixels, far beyond any image; NaN and infinity are not below it."""


def is_segmentation(value: Any) -> bool:
    """Returns whether a value is polygons of three corners or more, or run lengths."""
    if isinstance(value, dict):
        return {"counts", "size"} <= set(value)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in value)
        and all(is_number(each) for p in value for each in p)
    )


def is_number(value: Any) -> bool:
    """Returns whether a value is a number that can be a coordinate; true and false are not."""
    return type(value) in (int, float) and abs(value) < FARTHEST


def decode(segmentations: Sequence[Any], height: int, width: int) -> NDArray[np.uint8]:
    """Returns the masks [N, H, W], 1 inside an object, of polygons or run lengths."""
    from pycocotools import mask

    masks = np.zeros((len(segmentations), height, width), dtype=np.uint8)
    for n, segmentation in enumerate(segmentations):
        masks[n] = mask.decode(_rle(segmentation, height, width))
    return masks


def _rle(segmentation: Any, height: int, width: int) -> Rle:
    """Returns compressed run lengths of an annotation's segmentation."""
    from pycocotools import mask

    if isinstance(segmentation, list):
        return mask.merge(mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return mask.frPyObjects(segmentation, height, width)
    return dict(segmentation)


def encode(masks: NDArray[Any]) -> list[Rle]:
    """Returns the compressed run lengths of masks [N, H, W]."""
    from pycocotools import mask

    found: list[Rle] = mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
    return found
