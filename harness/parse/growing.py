"""An array of numbers that grows, by one at a time or by many."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROWTH = 4
"""How much larger the room becomes when it is full. What is not filled yet takes no memory."""


class Growing:
    """Numbers of one kind.

    Many at a time go to an array with room for more. An `array.array` has room for a sixteenth
    more, so it would move the millions of a large log sixteen times; it takes single ones.
    """

    def __init__(self, kind: type[np.int64] | type[np.float64]) -> None:
        self._room: NDArray[Any] = np.empty(0, dtype=kind)
        self._size = 0
        self._single: array[float] = array(self._room.dtype.char)
        self.append = self._single.append

    def __len__(self) -> int:
        return self._size + len(self._single)

    def more(self, n: int) -> NDArray[Any]:
        """Adds `n` numbers, and returns the place (n,) to put them."""
        before = len(self)
        after = before + n
        if after > self._room.size:
            room = np.empty(GROWTH * after, dtype=self._room.dtype)
            room[: self._size] = self._room[: self._size]
            self._room = room
        if self._single:
            self._room[self._size : before] = self._single
            del self._single[:]
        self._size = after
        return self._room[before:after]

    def pop(self) -> None:
        """Takes the last number away."""
        if self._single:
            self._single.pop()
        else:
            self._size -= 1

    def numbers(self) -> NDArray[Any]:
        """All of them, (n,), which are not to be written to, nor more to be added."""
        if self._size:
            self.more(0)
            found = self._room[: self._size]
        else:
            found = np.frombuffer(self._single, dtype=self._room.dtype)
        found.flags.writeable = False
        return found
