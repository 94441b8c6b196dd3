"""Intersection over union and its relatives, with mmsegmentation's definitions.

With TP, FP, FN counted per class over all pixels of all images that are not ignored:
IoU = TP / (TP + FP + FN), Acc = Recall = TP / (TP + FN), Precision = TP / (TP + FP),
Dice = 2 TP / (2 TP + FP + FN), Fscore = (1 + b^2) Precision Recall / (b^2 Precision + Recall),
aAcc = sum TP / all pixels. `mIoU` and so on are means over the classes for which the quotient
exists. Percent, rounded to two decimals, as the published tables have them.
"""

from collections.abc import Iterable, Sequence
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


Scores = dict[str, Tensor]
"""Fractions by name, per class ([classes], float64), NaN where undefined."""


def accuracy_of_all(counts: Counts) -> float:
    """Returns the share of all pixels that are right; NaN without pixels."""
    return float(counts.intersection.sum().double() / counts.label.sum())


def iou(counts: Counts, beta: float) -> Scores:  # noqa: ARG001 - the three have one signature
    """Returns IoU and Acc of each class."""
    hit = counts.intersection.double()
    union = counts.prediction + counts.label - counts.intersection
    return {"IoU": hit / union, "Acc": hit / counts.label}


def dice(counts: Counts, beta: float) -> Scores:  # noqa: ARG001
    """Returns Dice and Acc of each class."""
    hit = counts.intersection.double()
    return {"Dice": 2 * hit / (counts.prediction + counts.label), "Acc": hit / counts.label}


def fscore(counts: Counts, beta: float) -> Scores:
    """Returns Fscore, Precision and Recall of each class; `beta` is the weight of recall."""
    hit = counts.intersection.double()
    precision, recall = hit / counts.prediction, hit / counts.label
    weighted = (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
    return {"Fscore": weighted, "Precision": precision, "Recall": recall}


KNOWN = {"mIoU": iou, "mDice": dice, "mFscore": fscore}


@METRICS.register_module()
class IoUMetric(BaseMetric):
    """aAcc and the means that `iou_metrics` names, in percent, and a table of the classes.

    mIoU adds mIoU and mAcc; mDice adds mDice and mAcc; mFscore adds mFscore, mPrecision and
    mRecall, where `beta` is the weight of recall. An undefined score of a class counts as
    `nan_to_num`, if that is given.
    """

    def __init__(
        self,
        *,
        iou_metrics: str | Sequence[str] = ("mIoU",),
        ignore_index: int = 255,
        nan_to_num: float | None = None,
        beta: float = 1,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        names = [iou_metrics] if isinstance(iou_metrics, str) else list(iou_metrics)
        unknown = [name for name in names if name not in KNOWN]
        if unknown or not names:
            raise ValueError(f"iou_metrics is {names}; expected one or more of {', '.join(KNOWN)}")
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.names = names
        self.ignore_index = ignore_index
        self.nan_to_num = nan_to_num
        self.beta = beta

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
        """Returns the scores of all samples: aAcc, and the mean of each named score."""
        total = results[0]
        for counts in results[1:]:
            total = total + counts
        scores = self.scores(total)
        print_log(class_table(self.dataset_meta["classes"], scores), logger="current")
        means = {f"m{name}": float(values.nanmean()) for name, values in scores.items()}
        everything = {"aAcc": accuracy_of_all(total), **means}
        return {name: _percent(value) for name, value in everything.items()}

    def scores(self, counts: Counts) -> Scores:
        """Returns the named scores of each class."""
        found: Scores = {}
        for name in self.names:
            found.update(KNOWN[name](counts, self.beta))
        if self.nan_to_num is None:
            return found
        return {name: values.nan_to_num(self.nan_to_num) for name, values in found.items()}


def class_table(classes: Sequence[str], scores: Scores) -> str:
    """Returns the scores of each class in percent, as text; 'nan' where a score is undefined."""
    first = max(len("Class"), *map(len, classes))
    widths = [max(6, len(name)) for name in scores]
    rule = "+-" + "-+-".join("-" * width for width in (first, *widths)) + "-+"
    head = _row(f"{'Class':>{first}}", scores, widths)
    rows = [
        _row(f"{name:>{first}}", [f"{100 * value:.2f}" for value in values], widths)
        for name, *values in zip(classes, *(v.tolist() for v in scores.values()), strict=True)
    ]
    return "\n".join(["per class results:", rule, head, rule, *rows, rule])


def _row(first: str, cells: Iterable[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join([first, *padded])} |"


def _percent(fraction: float) -> float:
    return round(100 * fraction, 2)
