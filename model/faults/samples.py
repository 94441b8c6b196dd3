"""Faults of which samples a run sees, and when. They act on the sampler, before workers start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch.utils.data import Sampler

from model.data import InfiniteSampler
from model.data.stream import StreamIndex
from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault


class Stream:
    """The healthy stream of all ranks' samples, by position from 0."""

    def __init__(self, sampler: InfiniteSampler, batch: int) -> None:
        self.sampler = sampler
        self.batch = batch
        self.rank, self.ranks, self.size = sampler.rank, sampler.world_size, sampler.size
        self._orders: list[list[int]] = []
        self._generator = torch.Generator()
        self._generator.manual_seed(sampler.seed)

    def index(self, position: int) -> int:
        """Returns the index into the data set of the sample at a position."""
        pass_, offset = divmod(position, self.size)
        while len(self._orders) <= pass_:
            self._orders.append(self.sampler._order(self._generator))
        return self._orders[pass_][offset]

    def at(self, position: int, index: int | None = None) -> StreamIndex:
        """Returns the sample at a position, or another index with the position's randomness."""
        chosen = self.index(position) if index is None else index
        return StreamIndex.at(chosen, seed=self.sampler.seed, position=position)


Choose = Callable[[Stream, int], StreamIndex]


class _Chosen(Sampler[int]):
    """A sampler that gives what `choose` names for each position of this rank's."""

    def __init__(self, stream: Stream, choose: Choose) -> None:
        self.stream = stream
        self.choose = choose

    def __iter__(self) -> Iterator[int]:
        stream = self.stream
        start = stream.sampler.start * stream.ranks + stream.rank
        for position in count(start, stream.ranks):
            yield self.choose(stream, position)

    def __len__(self) -> int:
        return self.stream.size


def _choose(context: InjectionContext, choose: Choose) -> None:
    """Lets `choose` name the sample of every position."""
    loader = context.loader
    assert isinstance(loader.sampler, InfiniteSampler)
    assert loader.batch_sampler is not None
    stream = Stream(loader.sampler, int(loader.batch_size or 1))
    context.patch(loader.batch_sampler, "sampler", _Chosen(stream, choose))


@fault("training", origin="the sampler is not told of the next epoch", when="data")
def shuffle_repeats(context: InjectionContext) -> None:
    """Every pass over the data has the order of the first one."""
    _choose(context, lambda stream, p: stream.at(p, stream.index(p % stream.size)))


@fault("training", origin="a loader for sequential reading, as for evaluation", when="data")
def shuffle_absent(context: InjectionContext) -> None:
    """The data are read in the order of their names."""
    _choose(context, lambda stream, p: stream.at(p, p % stream.size))


@fault("training", origin="workers that draw from one seed, in every epoch anew", when="data")
def augmentation_repeats(context: InjectionContext) -> None:
    """In every pass the augmentation draws the numbers of the first one."""
    _choose(context, lambda stream, p: stream.at(p % stream.size, stream.index(p)))


@fault(
    "training",
    origin="a buffer of the prefetcher that is read before it is filled again",
    severity=Severity(
        default=4, meaning="batches from one to the next", low=2, high=10000, whole=True
    ),
    when="data",
)
def batch_repeated(context: InjectionContext, severity: float) -> None:
    """Every so many steps the batch before comes again."""
    period = int(severity)

    def choose(stream: Stream, position: int) -> StreamIndex:
        step = position // (stream.ranks * stream.batch)
        repeats = step % period == period - 1
        return stream.at(position - stream.ranks * stream.batch if repeats else position)

    _choose(context, choose)


@fault(
    "training",
    origin="a shard of the data that is not found, or shares that are rounded down",
    severity=Severity(default=0.25, meaning="share of the data", low=0.0, high=0.99),
    when="data",
)
def samples_missing(context: InjectionContext, severity: float) -> None:
    """A part of the data is never seen; others stand in."""

    def choose(stream: Stream, position: int) -> StreamIndex:
        kept = max(1, round(stream.size * (1 - severity)))
        return stream.at(position, stream.index(position) % kept)

    _choose(context, choose)


@fault("training", origin="the loader is not told of the ranks", ranks=2, when="data")
def ranks_share_data(context: InjectionContext) -> None:
    """All ranks read the samples of the first."""
    _choose(context, lambda stream, p: stream.at(p - stream.rank))
