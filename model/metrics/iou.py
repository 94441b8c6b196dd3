"""Intersection over union, with mmsegmentation's definitions.

With TP, FP, FN counted per class over all pixels of all images that are not ignored:
IoU = TP / (TP + FP + FN), Acc = TP / (TP + FN), aAcc = sum TP / all pixels; mIoU and mAcc are means
over the classes for which the quotient exists. Percent, rounded to two decimals, as the published
tables have them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from model.registry import METRICS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Pixels per class, each of shape [classes], int64."""

    intersection: Tensor
    prediction: Tensor
    label: Tensor

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            intersection=self.intersection + other.intersection,
            prediction=self.prediction + other.prediction,
            label=self.label + other.label,
        )


def count_pixels(
    prediction: Tensor, label: Tensor, *, num_classes: int, ignore_index: int = 255
) -> Counts:
    """Returns the counts of one image; both maps are [H, W], whole numbers, on one device."""
    kept = label != ignore_index
    prediction, label = prediction[kept].long(), label[kept].long()
    hit = prediction[prediction == label]
    intersection, predicted, labelled = (
        torch.bincount(ids, minlength=num_classes)[:num_classes].cpu()
        for ids in (hit, prediction, label)
    )
    return Counts(intersection=intersection, prediction=predicted, label=labelled)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Fractions: `iou` and `acc` per class ([classes], NaN where undefined), `a_acc` of all."""

    iou: Tensor
    acc: Tensor
    a_acc: float


def score(counts: Counts) -> Scores:
    """Returns the quotients of the counts, in float64."""
    hit = counts.intersection.double()
    union = counts.prediction + counts.label - counts.intersection
    return Scores(
        iou=hit / union,
        acc=hit / counts.label,
        a_acc=float(hit.sum() / counts.label.sum()),
    )


@METRICS.register_module()
class IoUMetric(BaseMetric):
    """aAcc, mIoU and mAcc in percent, and a table of the classes in the log."""

    def __init__(
        self,
        *,
        iou_metrics: Sequence[str] = ("mIoU",),
        ignore_index: int = 255,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        if list(iou_metrics) != ["mIoU"]:
            raise ValueError(f"iou_metrics is {list(iou_metrics)}; only ['mIoU'] is known")
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:  # noqa: ARG002
        """Counts the pixels of each sample: `pred_sem_seg` and `gt_sem_seg`, [1, H, W]."""
        for sample in data_samples:
            prediction = sample["pred_sem_seg"]["data"].squeeze(0)
            label = sample["gt_sem_seg"]["data"].squeeze(0).to(prediction.device)
            self.results.append(
                count_pixels(
                    prediction,
                    label,
                    num_classes=len(self.dataset_meta["classes"]),
                    ignore_index=self.ignore_index,
                )
            )

    def compute_metrics(self, results: list[Counts]) -> dict[str, float]:
        """Returns the scores of all samples: aAcc, mIoU, mAcc."""
        total = results[0]
        for counts in results[1:]:
            total = total + counts
        scores = score(total)
        print_log(class_table(self.dataset_meta["classes"], scores), logger="current")
        return {
            "aAcc": _percent(scores.a_acc),
            "mIoU": _percent(float(scores.iou.nanmean())),
            "mAcc": _percent(float(scores.acc.nanmean())),
        }


def class_table(classes: Sequence[str], scores: Scores) -> str:
    """IoU and accuracy of each class in percent, as text; 'nan' where a class never occurs."""
    width = max(len("Class"), *map(len, classes))
    rule = f"+-{'-' * width}-+--------+--------+"
    rows = [
        f"| {name:>{width}} | {100 * iou:6.2f} | {100 * acc:6.2f} |"
        for name, iou, acc in zip(classes, scores.iou.tolist(), scores.acc.tolist(), strict=True)
    ]
    head = f"| {'Class':>{width}} | {'IoU':>6} | {'Acc':>6} |"
    return "\n".join(["per class results:", rule, head, rule, *rows, rule])


def _percent(fraction: float) -> float:
    return round(100 * fraction, 2)
