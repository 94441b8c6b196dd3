"""torchvision's published weights of Mask R-CNN, for the 80 classes that COCO annotates.

They have an output for each of the numbers 0 to 90: the background and COCO's category ids. Ten of
these ids are used by no annotation.
"""

from __future__ import annotations

from typing import Any

ABSENT_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
IDS = tuple(i for i in range(1, 91) if i not in ABSENT_IDS)
"""The ids of the 80 categories, in the order of the classes."""
OUTPUTS = 91
PER_CLASS = {
    "roi_heads.box_predictor.cls_score": 1,
    "roi_heads.box_predictor.bbox_pred": 4,
    "roi_heads.mask_predictor.mask_fcn_logits": 1,
}
"""The layers whose rows belong to classes, and the rows of a class."""


def without_absent_categories(state: dict[str, Any], prefix: str, *, num_classes: int) -> None:
    """Keeps the rows of the background and the 80 classes in a state of 91 outputs.

    Any other state, and that of a network of other classes, stays as it is.
    """
    if num_classes != len(IDS):
        return
    for layer, rows in PER_CLASS.items():
        for name in (f"{prefix}{layer}.weight", f"{prefix}{layer}.bias"):
            if name in state and state[name].shape[0] == rows * OUTPUTS:
                by_class = state[name].unflatten(0, (OUTPUTS, rows))
                state[name] = by_class[[0, *IDS]].flatten(0, 1)
