"""Positions as lines state them -> steps that rise over the whole training."""

from __future__ import annotations

from typing import NamedTuple

from harness.parse.grammar.positions import Place

MAX_EPOCHS = 100_000
"""Epochs whose first step is remembered."""


class At(NamedTuple):
    """The place of a record: a counter, the epoch in which it counts, and its end, 0 if unknown.

    An epoch of 0 and an end of 0 say that the counter runs over the whole training.
    """

    iteration: int
    epoch: float = 0.0
    total: int = 0


class Counting:
    """Unrolls the counters of one process by the length of the epoch that its lines state.

    A counter with a length and an epoch counts within the epoch if the line says so (`[1/3][5/20]`,
    a bar). Otherwise the counters decide: a counter that rises across an epoch's end runs over the
    whole training (`epoch: 2, iter: 150/40000`).
    """

    def __init__(self) -> None:
        self.epoch: float | None = None
        self.epochs_ended = 0
        self._over_all = False
        self._last: tuple[int, int, int] | None = None
        self._first = 0
        self._offsets: dict[int, int] = {}

    def at(self, place: Place) -> At | None:
        """Returns the place of a record; None where the line states no counter."""
        if place.epoch is not None:
            self.epoch = place.epoch
        epoch = self.epoch
        if place.step is not None:
            return At(place.step)
        if place.counter is None:
            return None
        whole = epoch is not None and epoch.is_integer()
        if epoch is None or not whole:
            return At(
                place.counter, float(self.epochs_ended) if epoch is None else 0.0, place.length
            )
        if not place.length or place.fraction:
            return At(place.counter, epoch, place.length)
        return self._unrolled(int(epoch), place)

    def _unrolled(self, epoch: int, place: Place) -> At:
        assert place.counter is not None  # noqa: S101  (the caller looked)
        counter, length = place.counter, place.length
        last = self._last
        if not place.within and last is not None and epoch > last[0] and counter > last[1]:
            self._over_all = True
        if counter > length:
            self._over_all = True
        if self._over_all and not place.within:
            return At(counter)
        if last is None:
            self._first = min(epoch, 1) if place.within else epoch
        offset = self._offset(epoch, length, last)
        self._last = (epoch, counter, length)
        return At(offset + counter)

    def _offset(self, epoch: int, length: int, last: tuple[int, int, int] | None) -> int:
        """The steps before an epoch, as the lengths of those before state them."""
        offset = self._offsets.get(epoch)
        if offset is None:
            if last is None or epoch < last[0]:
                offset = max(0, epoch - self._first) * length
            else:
                offset = self._offsets[last[0]] + (epoch - last[0]) * last[2]
            if len(self._offsets) >= MAX_EPOCHS:
                self._offsets.clear()
            self._offsets[epoch] = offset
        return offset
