"""The first samples of a training as its loader makes them, for the fingerprint of the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader

from model.data.stream import StreamIndex
from model.same_start.fingerprint import Sums, terms

BATCHES = 2
ORDER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What the first samples add to the fingerprints: images and labels by place, and the order.

    `order` holds (place, index into the data set) of the first samples of the stream.
    """

    images: list[tuple[int, Sums]]
    labels: list[tuple[int, Sums]]
    order: list[tuple[int, int]]

    @property
    def places(self) -> list[int]:
        """The places of the first two global batches."""
        return [place for place, _ in self.images]


def first_samples(loader: DataLoader[Any], *, rank: int, world_size: int) -> Samples:
    """Returns the first samples of all ranks, by place; every rank must call it.

    Each rank asks its own sampler and data set, as its workers do.
    """
    chosen = list(_indices(loader, rank=rank, world_size=world_size))
    own = Samples(images=[], labels=[], order=[(place, int(index)) for place, index in chosen])
    for place, index in chosen[: BATCHES * (loader.batch_size or 1)]:
        item = loader.dataset[index]
        own.images.append((place, terms(f"image {place}", item["inputs"].numpy())))
        sample = item.get("data_samples")
        if sample is not None and "gt_sem_seg" in sample:
            labels: Tensor = sample.gt_sem_seg.data
            own.labels.append((place, terms(f"labels {place}", labels.numpy())))
    return _joined(own, world_size)


def _indices(
    loader: DataLoader[Any], *, rank: int, world_size: int
) -> Iterator[tuple[int, StreamIndex | int]]:
    """Returns (place, index) of this rank's first samples, at least those of two batches."""
    count = max(BATCHES * (loader.batch_size or 1), -(-ORDER // world_size))
    batches: Any = loader.batch_sampler
    indices = (index for batch in batches for index in batch)
    for n, index in enumerate(islice(indices, count)):
        known = isinstance(index, StreamIndex)
        yield (index.position if known else n * world_size + rank), index


def _joined(own: Samples, world_size: int) -> Samples:
    """Returns the samples of all ranks, sorted by place."""
    ranks: list[Any] = [own]
    if world_size > 1:
        ranks = [None] * world_size
        distributed.all_gather_object(ranks, own)
    images = [pair for samples in ranks for pair in samples.images]
    labels = [pair for samples in ranks for pair in samples.labels]
    order = sorted(pair for samples in ranks for pair in samples.order)
    return Samples(
        images=sorted(images, key=lambda pair: pair[0]),
        labels=sorted(labels, key=lambda pair: pair[0]),
        order=order[:ORDER],
    )


def order_terms(samples: Samples) -> Sums:
    """Returns the terms of the order of the first 64 samples; index 0 counts as 1."""
    return terms("order", np.array([index + 1 for _, index in samples.order]))


def preprocessor_terms(preprocessor: nn.Module) -> Iterator[Sums]:
    """Returns the terms of what the preprocessor does to every image of the training."""
    for name in ("mean", "std", "size", "size_divisor", "pad_val", "seg_pad_val"):
        value = getattr(preprocessor, name, None)
        if value is not None:
            array = value.detach().cpu().double() if isinstance(value, Tensor) else value
            yield terms(f"preprocessor {name}", np.asarray(array, dtype=np.float64))
    switched = ("channel_conversion", "_enable_normalize")
    flags = [bool(getattr(preprocessor, name, False)) for name in switched]
    yield terms("preprocessor flags", torch.tensor(flags).double().numpy())
