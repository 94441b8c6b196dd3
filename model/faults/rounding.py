"""Arithmetic of fewer digits, emulated on any device, and with gradients that pass through."""

from __future__ import annotations

import torch
from torch import Tensor

MANTISSA = {"tf32": 10, "bfloat16": 7, "float16": 10}
_FLOAT32 = 23


def rounded(x: Tensor, bits: int) -> Tensor:
    """Returns `x`, of any shape and dtype, with `bits` (1 to 22) bits of mantissa.

    To nearest, ties to even, as hardware rounds; exponents keep float32's range.
    """
    dropped = _FLOAT32 - bits
    word = x.detach().float().view(torch.int32)
    odd = (word >> dropped) & 1
    word = (word + ((1 << (dropped - 1)) - 1) + odd) >> dropped << dropped
    return word.view(torch.float32).to(x.dtype)


def flushed(x: Tensor, threshold: float) -> Tensor:
    """Returns `x` with 0 instead of what is smaller than the threshold."""
    return x.detach().where(x.detach().abs() >= threshold, 0.0)


def with_value(x: Tensor, value: Tensor) -> Tensor:
    """Returns `value` with the gradient of `x`: what a kernel rounds, its derivative ignores."""
    return x + (value - x.detach())
