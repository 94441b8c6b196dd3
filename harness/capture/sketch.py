"""A tensor's sketch: 128 sums with random signs, made on the CPU.

The device computes nothing of it, so that a wrong kernel of the device cannot change it.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.locate.capture import BUCKETS

BLOCK = 1 << 20
TABLE_SEED = 20181127
BLOCK_SEED = 1811


class Sketch(NamedTuple):
    """`sums` has shape (128,), `nonfinite` counts NaN, infinity and minus infinity."""

    sums: NDArray[np.float64]
    norm: float
    nonfinite: tuple[int, int, int]


def sketch(tensor: Tensor) -> Sketch:
    """Returns the sketch of a tensor on any device; docs/reference/capture.md defines it.

    Complex numbers count as pairs of real ones, truth values as 0 and 1.
    """
    host = tensor.detach().to("cpu")
    if host.is_complex():
        host = torch.view_as_real(host.resolve_conj())
    wide = torch.float64 if host.dtype in _WIDE else torch.float32
    flat = host.contiguous().reshape(-1).to(wide)
    nonfinite = (0, 0, 0)
    norm = float(torch.linalg.vector_norm(flat, dtype=torch.float64))
    if not math.isfinite(norm):  # one pass less than to ask each element
        counts = (torch.isnan(flat), torch.isposinf(flat), torch.isneginf(flat))
        nan, up, down = (int(mask.sum()) for mask in counts)
        nonfinite = (nan, up, down)
        flat = torch.nan_to_num(flat, nan=0.0, posinf=0.0, neginf=0.0)
        norm = float(torch.linalg.vector_norm(flat, dtype=torch.float64))
    sums = np.zeros(BUCKETS)
    for block in range(0, flat.numel(), BLOCK):
        part = flat[block : block + BLOCK]
        signed = part * _table()[: part.numel()].to(wide)
        if signed.numel() % BUCKETS:
            signed = torch.nn.functional.pad(signed, (0, -signed.numel() % BUCKETS))
        found = signed.view(-1, BUCKETS).sum(0, dtype=torch.float64)
        sums += found.numpy() * _block_signs(block // BLOCK)
    return Sketch(sums, norm, nonfinite)


_WIDE = {torch.float64, torch.int64, torch.int32, torch.uint8, torch.int16, torch.int8}


@cache
def _table() -> Tensor:
    """Returns the signs of a block, shape (2**20,)."""
    return torch.from_numpy(_signs(np.random.PCG64(TABLE_SEED), BLOCK).astype(np.float32))


@cache
def _block_signs(block: int) -> NDArray[np.float64]:
    """Returns the signs of the sums of a block, shape (128,)."""
    return _signs(np.random.PCG64([BLOCK_SEED, block]), BUCKETS)


def _signs(bits: np.random.PCG64, count: int) -> NDArray[np.float64]:
    words = bits.random_raw(count // 64)
    drawn = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
    return drawn.astype(np.float64) * 2 - 1
