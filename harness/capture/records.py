"""The records of a capture while it grows, and which record a tensor in memory is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.capture.sketch import Sketch, sketch
from harness.locate.capture import BUCKETS, Capture, Record


class Records:
    """Grows by `add`. It remembers for each piece of memory the record that wrote it last."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._sketches: list[Sketch] = []
        self._seen: dict[tuple[str, str, int], NDArray[np.float64]] = {}
        self._last: dict[tuple[str, int], int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def add(
        self,
        at: Record,
        tensor: Tensor,
        *,
        dtype: torch.dtype | None = None,
        sketched: Sketch | None = None,
    ) -> None:
        """Adds a record of a tensor; `at` lacks its shape and format.

        `dtype` replaces the tensor's own format, for a difference that was formed in float64.
        `sketched` is the tensor's sketch, if it is made already.
        """
        if tensor.numel() == 0 or tensor.device.type == "meta":
            return
        dtype = dtype or tensor.dtype
        made_from = at.made_from
        if at.kind in {"module", "loss"} and not made_from:
            made_from = self.numbers_of([tensor])
        self._records.append(
            at._replace(
                shape=tuple(tensor.shape),
                dtype=str(dtype).removeprefix("torch."),
                made_from=made_from,
            )
        )
        self._sketches.append(sketched or sketch(tensor))
        if at.kind in {"operator", "weight", "buffer", "input"}:
            self._last[_memory(tensor)] = len(self._records) - 1

    def add_changed(self, at: Record, tensor: Tensor) -> None:
        """Adds a record unless the last one of that kind, name and step has the same sums."""
        key = (at.kind, at.name, at.step)
        sketched = sketch(tensor)
        last = self._seen.get(key)
        if last is None or not np.array_equal(last, sketched.sums):
            self._seen[key] = sketched.sums
            self.add(at, tensor, sketched=sketched)

    def numbers_of(self, found: Sequence[Tensor]) -> tuple[int, ...]:
        """Returns the numbers of the records that wrote these tensors last, without repetition."""
        numbers = (self._last.get(_memory(tensor)) for tensor in found)
        return tuple(dict.fromkeys(n for n in numbers if n is not None))

    def capture(
        self, *, facts: dict[str, str], zeros: tuple[str, ...], twin: int, moved: bool
    ) -> Capture:
        """Returns all records with their figures."""
        count = len(self._records)
        sums = [s.sums for s in self._sketches]
        return Capture(
            records=tuple(self._records),
            sketches=np.array(sums, dtype=np.float32).reshape(count, BUCKETS),
            norms=np.array([s.norm for s in self._sketches], dtype=np.float64),
            nonfinite=np.array([s.nonfinite for s in self._sketches], dtype=np.int64).reshape(
                count, 3
            ),
            facts=dict(facts),
            zeros=zeros,
            twin=twin,
            moved=moved,
        )


def _memory(tensor: Tensor) -> tuple[str, int]:
    """Returns device and address of a tensor's memory."""
    try:
        return str(tensor.device), tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # a tensor that has no memory
        return str(tensor.device), id(tensor)
