"""The endless stream of training samples, and the random numbers that belong to each."""

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from model.registry import DATA_SAMPLERS


class StreamIndex(int):
    """An index into the data set that knows its place in the stream.

    It is an int, so any data set takes it; one that knows it asks for `rng`. `position` counts the
    samples of all ranks from 0.
    """

    seed: int
    position: int

    @classmethod
    def at(cls, index: int, *, seed: int, position: int) -> "StreamIndex":
        """Returns the index of the sample at one position of the stream with this seed."""
        self = cls(index)
        self.seed = seed
        self.position = position
        return self

    def rng(self) -> np.random.Generator:
        """Returns a new generator for this sample, the same one each time it is asked for."""
        return np.random.default_rng([self.seed, self.position])


def rng_of(results: dict[str, Any]) -> np.random.Generator:
    """Returns the generator that a transform draws from.

    It is the sample's own. A sample that did not come by the sampler has none: its generator is
    then started from numpy's global stream, which the runner seeds, and kept in `results`.
    """
    if results.get("rng") is None:
        words = np.random.randint(2**32, size=4, dtype=np.uint32)  # noqa: NPY002
        results["rng"] = np.random.default_rng(words)
    rng: np.random.Generator = results["rng"]
    return rng


class StreamDataset(BaseDataset):
    """A data set whose samples carry the generator that their place in the stream gives them.

    A data set of the project derives from it and lists its samples in `load_data_list`. One that
    did not would augment from numpy's global stream, which differs with the number of workers and
    after a resume.
    """

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Returns the entry of a sample, with `rng`, or None there if no sampler gave the index.

        `num_classes` is the number of classes of the data set, if it names them.
        """
        info: dict[str, Any] = super().get_data_info(int(idx))
        if self._metainfo.get("classes") is not None:
            info.setdefault("num_classes", len(self._metainfo["classes"]))
        info["rng"] = idx.rng() if isinstance(idx, StreamIndex) else None
        return info


@DATA_SAMPLERS.register_module()
class InfiniteSampler(Sampler[int]):
    """Endless shuffled passes over a data set, shared out among the ranks.

    Rank r of n takes positions r, r + n, r + 2n, ... The order is that of mmengine's sampler of the
    same name. `start` (in samples of this rank) moves the beginning without making the samples
    before it.
    """

    def __init__(self, dataset: Sized, *, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.start = 0

    def __iter__(self) -> Iterator[int]:
        position = self.start * self.world_size + self.rank
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        epoch, order = -1, self._order(generator) if self.size else []
        while self.size:
            wanted, offset = divmod(position, self.size)
            while epoch < wanted:
                epoch += 1
                order = order if epoch == 0 else self._order(generator)
            yield StreamIndex.at(order[offset], seed=self.seed, position=position)
            position += self.world_size

    def _order(self, generator: torch.Generator) -> list[int]:
        """Returns the order of the next pass."""
        if not self.shuffle:
            return list(range(self.size))
        return torch.randperm(self.size, generator=generator).tolist()

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the stream has no epochs, and mmengine's hook asks every sampler."""
