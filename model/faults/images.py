"""Faults of images and labels, as the port's own preprocessing would make them.

What the preprocessor does, it does in evaluation as well. Letters: H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.data import RandomFlip
from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault

IGNORED = 255


@fault("training", origin="the port decodes images into RGB already")
def images_bgr(context: InjectionContext) -> None:
    """The network gets its channels in the order blue, green, red."""
    preprocessor = context.model.data_preprocessor
    context.patch(preprocessor, "channel_conversion", not preprocessor.channel_conversion)


@fault("training", origin="the loader normalises, and the model does again")
def images_normalised_twice(context: InjectionContext) -> None:
    """Images are normalised twice."""
    preprocessor = context.model.data_preprocessor
    once = preprocessor._normalise

    def twice(image: Tensor) -> Tensor:
        return (once(image) - preprocessor.mean) / preprocessor.std

    context.patch(preprocessor, "_normalise", twice)


@fault("training", origin="the normalisation is expected on the other side of an interface")
def images_not_normalised(context: InjectionContext) -> None:
    """Images go into the network as they are, from 0 to 255."""
    context.patch(context.model.data_preprocessor, "_enable_normalize", False)


@fault(
    "training",
    origin="the deviation is given for images of another range",
    severity=Severity(default=2.0, meaning="factor of the deviation", low=1e-3, high=1000.0),
)
def images_std(context: InjectionContext, severity: float) -> None:
    """Images are divided by a wrong deviation."""
    preprocessor = context.model.data_preprocessor
    once = preprocessor._normalise
    context.patch(preprocessor, "_normalise", lambda image: once(image) / severity)


@fault("training", origin="the loss of the port knows no label to ignore")
def ignored_counts(context: InjectionContext) -> None:
    """Pixels without a label count as class 0."""
    _change_labels(context, lambda labels: labels.where(labels != IGNORED, 0))


@fault("training", origin="a background class is counted in")
def labels_next_class(context: InjectionContext) -> None:
    """Every label is that of the next class."""
    classes = context.model.num_classes
    _change_labels(
        context, lambda labels: ((labels + 1) % classes).where(labels != IGNORED, labels)
    )


@fault(
    "training",
    origin="labels are cropped or padded by another rule than their image",
    severity=Severity(default=8, meaning="pixels to the right", low=1, high=10000, whole=True),
)
def labels_displaced(context: InjectionContext, severity: float) -> None:
    """Labels lie beside their pixels."""
    _change_labels(context, lambda labels: labels.roll(int(severity), dims=-1))


@fault(
    "training",
    origin="labels are resized on the way to save memory",
    severity=Severity(
        default=4, meaning="pixels to a side of a block", low=2, high=1000, whole=True
    ),
)
def labels_coarse(context: InjectionContext, severity: float) -> None:
    """Blocks of pixels share the label of their first pixel."""

    def coarsen(labels: Tensor) -> Tensor:
        for axis in (-2, -1):
            places = _indices(labels, labels.shape[axis]) // int(severity) * int(severity)
            labels = labels.index_select(axis, places)
        return labels

    _change_labels(context, coarsen)


@fault(
    "operator",
    origin="an index of too few bits in the kernel of the loss",
    severity=Severity(default=8, meaning="classes that fit", low=1, high=254, whole=True),
)
def labels_wrap(context: InjectionContext, severity: float) -> None:
    """Labels are taken modulo a number below that of the classes."""
    _change_labels(
        context, lambda labels: (labels % int(severity)).where(labels != IGNORED, labels)
    )


@fault(
    "operator",
    origin="a flat index of too few bits in a gather",
    severity=Severity(
        default=0.5, meaning="share of an image's pixels that it reaches", low=0.01, high=1.0
    ),
)
def pixel_index_wraps(context: InjectionContext, severity: float) -> None:
    """The pixels at the end of an image get the labels of those at its start."""

    def wrap(labels: Tensor) -> Tensor:
        flat = labels.flatten()
        reached = max(1, int(flat.numel() * severity))
        return flat[_indices(labels, flat.numel()) % reached].view_as(labels)

    _change_labels(context, wrap)


@fault(
    "training",
    origin="the augmentation is left out to save time on the host",
    severity=Severity(default=0.0, meaning="probability of a flip", low=0.0, high=1.0),
    when="data",
)
def flip_probability(context: InjectionContext, severity: float) -> None:
    """Images are flipped more or less often, or never."""
    for transform in _pipeline(context).transforms:
        if isinstance(transform, RandomFlip):
            context.patch(transform, "prob", severity)


@fault(
    "training", origin="augmentation on the device, which is given the images alone", when="data"
)
def flip_without_labels(context: InjectionContext) -> None:
    """Images are flipped, and their labels are not."""
    pipeline = _pipeline(context)
    changed = [_FlipImageOnly(t) if isinstance(t, RandomFlip) else t for t in pipeline.transforms]
    context.patch(pipeline, "transforms", changed)


class _FlipImageOnly:
    """A flip that leaves the labels as they are. A class, so that data workers can be sent it."""

    def __init__(self, flip: RandomFlip) -> None:
        self.flip = flip

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results = self.flip(results)
        if results["flip"]:
            axis = RandomFlip.AXIS[self.flip.direction]
            for name in results.get("seg_fields", ()):
                results[name] = np.flip(results[name], axis=axis)
        return results


def _pipeline(context: InjectionContext) -> Any:
    """Returns the transforms of a training sample."""
    return context.loader.dataset.pipeline  # type: ignore[attr-defined]


def _indices(labels: Tensor, count: int) -> Tensor:
    """Returns 0, 1, ... on the labels' device."""
    return torch.arange(count, device=labels.device)


def _change_labels(context: InjectionContext, change: Callable[[Tensor], Tensor]) -> None:
    """Lets `change` map the labels [1, H, W] of every sample that leaves the preprocessor."""
    preprocessor = context.model.data_preprocessor
    forward = preprocessor.forward

    def changed(data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        batch: dict[str, Any] = forward(data, training)
        for sample in batch["data_samples"] or []:
            if "gt_sem_seg" in sample:
                labels = sample.gt_sem_seg
                value = change(labels.data)
                del labels.data
                labels.data = value
        return batch

    context.patch(preprocessor, "forward", changed)
