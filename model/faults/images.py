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
from model.faults.fault import Dose, fault
from model.faults.site import Site

IGNORED = 255


@fault("training", origin="the port decodes images into RGB already")
def images_bgr(site: Site) -> None:
    """The network gets its channels in the order blue, green, red."""
    preprocessor = site.model.data_preprocessor
    site.patch(preprocessor, "channel_conversion", not preprocessor.channel_conversion)


@fault("training", origin="the loader normalises, and the model does again")
def images_normalised_twice(site: Site) -> None:
    """Images are normalised twice."""
    preprocessor = site.model.data_preprocessor
    once = preprocessor._normalise

    def twice(image: Tensor) -> Tensor:
        return (once(image) - preprocessor.mean) / preprocessor.std

    site.patch(preprocessor, "_normalise", twice)


@fault("training", origin="the normalisation is expected on the other side of an interface")
def images_not_normalised(site: Site) -> None:
    """Images go into the network as they are, from 0 to 255."""
    site.patch(site.model.data_preprocessor, "_enable_normalize", False)


@fault(
    "training",
    origin="the deviation is given for images of another range",
    dose=Dose(default=2.0, meaning="factor of the deviation", low=1e-3, high=1000.0),
)
def images_std(site: Site, dose: float) -> None:
    """Images are divided by a wrong deviation."""
    preprocessor = site.model.data_preprocessor
    once = preprocessor._normalise
    site.patch(preprocessor, "_normalise", lambda image: once(image) / dose)


@fault("training", origin="the loss of the port knows no label to ignore")
def ignored_counts(site: Site) -> None:
    """Pixels without a label count as class 0."""
    _change_labels(site, lambda labels: labels.where(labels != IGNORED, 0))


@fault("training", origin="a background class is counted in")
def labels_next_class(site: Site) -> None:
    """Every label is that of the next class."""
    classes = site.model.num_classes
    _change_labels(site, lambda labels: ((labels + 1) % classes).where(labels != IGNORED, labels))


@fault(
    "training",
    origin="labels are cropped or padded by another rule than their image",
    dose=Dose(default=8, meaning="pixels to the right", low=1, high=10000, whole=True),
)
def labels_displaced(site: Site, dose: float) -> None:
    """Labels lie beside their pixels."""
    _change_labels(site, lambda labels: labels.roll(int(dose), dims=-1))


@fault(
    "training",
    origin="labels are resized on the way to save memory",
    dose=Dose(default=4, meaning="pixels to a side of a block", low=2, high=1000, whole=True),
)
def labels_coarse(site: Site, dose: float) -> None:
    """Blocks of pixels share the label of their first pixel."""

    def coarsen(labels: Tensor) -> Tensor:
        for axis in (-2, -1):
            places = _indices(labels, labels.shape[axis]) // int(dose) * int(dose)
            labels = labels.index_select(axis, places)
        return labels

    _change_labels(site, coarsen)


@fault(
    "operator",
    origin="an index of too few bits in the kernel of the loss",
    dose=Dose(default=8, meaning="classes that fit", low=1, high=254, whole=True),
)
def labels_wrap(site: Site, dose: float) -> None:
    """Labels are taken modulo a number below that of the classes."""
    _change_labels(site, lambda labels: (labels % int(dose)).where(labels != IGNORED, labels))


@fault(
    "operator",
    origin="a flat index of too few bits in a gather",
    dose=Dose(
        default=0.5, meaning="share of an image's pixels that it reaches", low=0.01, high=1.0
    ),
)
def pixel_index_wraps(site: Site, dose: float) -> None:
    """The pixels at the end of an image get the labels of those at its start."""

    def wrap(labels: Tensor) -> Tensor:
        flat = labels.flatten()
        reached = max(1, int(flat.numel() * dose))
        return flat[_indices(labels, flat.numel()) % reached].view_as(labels)

    _change_labels(site, wrap)


@fault(
    "training",
    origin="the augmentation is left out to save time on the host",
    dose=Dose(default=0.0, meaning="probability of a flip", low=0.0, high=1.0),
    when="data",
)
def flip_probability(site: Site, dose: float) -> None:
    """Images are flipped more or less often, or never."""
    for transform in _pipeline(site).transforms:
        if isinstance(transform, RandomFlip):
            site.patch(transform, "prob", dose)


@fault(
    "training", origin="augmentation on the device, which is given the images alone", when="data"
)
def flip_without_labels(site: Site) -> None:
    """Images are flipped, and their labels are not."""
    pipeline = _pipeline(site)
    changed = [_FlipImageOnly(t) if isinstance(t, RandomFlip) else t for t in pipeline.transforms]
    site.patch(pipeline, "transforms", changed)


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


def _pipeline(site: Site) -> Any:
    """The transforms of a training sample."""
    return site.loader.dataset.pipeline  # type: ignore[attr-defined]


def _indices(labels: Tensor, count: int) -> Tensor:
    """Return 0, 1, ... on the labels' device."""
    return torch.arange(count, device=labels.device)


def _change_labels(site: Site, change: Callable[[Tensor], Tensor]) -> None:
    """Let `change` map the labels [1, H, W] of every sample that leaves the preprocessor."""
    preprocessor = site.model.data_preprocessor
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

    site.patch(preprocessor, "forward", changed)
