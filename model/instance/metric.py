"""COCO's average precision of boxes and masks, by pycocotools.

Letters: N object, H and W of the image.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from model.instance.masks import encode
from model.instance.needed import check_installed
from model.registry import METRICS

KINDS = ("bbox", "segm")
NAMES = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
"""The first figures of COCO's summary: IoU 0.50:0.95, 0.50, 0.75, and three sizes of objects."""
UNDEFINED = -1.0
"""What pycocotools gives for a size of which the annotations have no object."""

Objects = list[dict[str, Any]]


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """AP as fractions under mmdetection's names, `coco/bbox_mAP`, `coco/segm_mAP_50`, ...

    `metric` names boxes ('bbox'), masks ('segm') or both. The annotations are those of the data
    set. A size of which they have no object has no figure.
    """

    default_prefix = "coco"

    def __init__(
        self,
        *,
        metric: str | Sequence[str] = KINDS,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        kinds = [metric] if isinstance(metric, str) else list(metric)
        if not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"metric is {metric!r}; expected one or more of {', '.join(KINDS)}")
        check_installed()
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.kinds = kinds
        self._truth: Any = None

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:  # noqa: ARG002
        """Keeps the objects of each sample's `pred_instances`, masks as run lengths."""
        ids = self.dataset_meta["category_ids"]
        for sample in data_samples:
            found = sample["pred_instances"]
            masks = encode(found["masks"].cpu().numpy())
            corners, scores = found["bboxes"].cpu().tolist(), found["scores"].cpu().tolist()
            objects = [
                {
                    "image_id": sample["img_id"],
                    "category_id": ids[label],
                    "bbox": [x, y, right - x, bottom - y],
                    "score": score,
                    "segmentation": mask,
                }
                for (x, y, right, bottom), score, label, mask in zip(
                    corners, scores, found["labels"].cpu().tolist(), masks, strict=True
                )
            ]
            self.results.append((sample["img_id"], objects))

    def compute_metrics(self, results: list[tuple[int, Objects]]) -> dict[str, float]:
        """Returns the figures of all samples."""
        images = [image for image, _ in results]
        objects = [each for _, found in results for each in found]
        if self._truth is None:
            self._truth = _completed(_quietly(_coco, self.dataset_meta["ann_file"]))
        figures: dict[str, float] = {}
        for kind in self.kinds:
            stats, text = average_precision(self._truth, objects, images, kind=kind)
            print_log(f"{kind}:\n{text}", logger="current")
            for name, value in zip(NAMES, stats, strict=False):
                if value != UNDEFINED:
                    figures[f"{kind}_{name}"] = value
        return figures


def average_precision(
    truth: Any, objects: Objects, images: Sequence[int], *, kind: str
) -> tuple[list[float], str]:
    """Returns pycocotools' twelve figures of the objects found in some images, and its table.

    `truth` is a `COCO`; `objects` are of COCO's form for results, with boxes and masks.
    """
    from pycocotools.cocoeval import COCOeval

    output = io.StringIO()
    with redirect_stdout(output):
        evaluation = COCOeval(truth, _found(truth, objects, kind), kind)
        evaluation.params.imgIds = sorted(images)
        evaluation.evaluate()
        evaluation.accumulate()
        output.truncate(0)
        output.seek(0)
        evaluation.summarize()
    return [float(value) for value in evaluation.stats], output.getvalue().rstrip()


def _found(truth: Any, objects: Objects, kind: str) -> Any:
    """Returns the objects as pycocotools' `COCO`, whose sizes are those of boxes or of masks.

    `loadRes` takes the size from the box where there is one, and refuses an empty list.
    """
    if not objects:
        empty = _coco()
        empty.dataset = {**truth.dataset, "annotations": []}
        empty.createIndex()
        return empty
    unused = "bbox" if kind == "segm" else "segmentation"
    return truth.loadRes([{k: v for k, v in each.items() if k != unused} for each in objects])


def _coco(*args: Any) -> Any:
    from pycocotools.coco import COCO

    return COCO(*args)


def _completed(truth: Any) -> Any:
    """Returns a `COCO` whose annotations have the keys that COCOeval needs.

    No `iscrowd` means a single object, no `area` that of the mask.
    """
    for annotation in truth.dataset["annotations"]:
        annotation.setdefault("iscrowd", 0)
        if "area" not in annotation:
            annotation["area"] = float(truth.annToMask(annotation).sum())
    return truth


def _quietly(call: Any, *args: Any) -> Any:
    """Returns what the call returns; what it prints is dropped."""
    with redirect_stdout(io.StringIO()):
        return call(*args)
