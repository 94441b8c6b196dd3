"""Results that are places of elements: of the largest, of a sorted order, of a pool's maxima.

Kernels may choose among equal elements. So the elements at the places are compared, not the places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from harness.capture.operators import bare_name, named
from harness.capture.trees import Arguments

ALONG = {
    "argmax", "argmin", "argsort", "cummax", "cummin", "_cummax_helper", "_cummin_helper",
    "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk",
}  # fmt: skip
"""They choose along one dimension, the argument `dim`; without it, in the whole tensor."""
POOLS = {
    "max_pool2d_with_indices": 2, "max_pool3d_with_indices": 3, "adaptive_max_pool2d": 2,
    "adaptive_max_pool3d": 3, "fractional_max_pool2d": 2, "fractional_max_pool3d": 3,
}  # fmt: skip
"""They choose in the last dimensions, this many, which count as one."""
LAST = {"sort", "topk", "kthvalue", "mode"}
"""They choose along the last dimension where none is stated."""


def free(op: OpOverload, arguments: Arguments, seen: Tensor, healthy: Tensor) -> Tensor:
    """Returns where two kernels may give different whole numbers, in the shape of the results."""
    args, kwargs = arguments
    source = args[0] if args else None
    nowhere = torch.zeros_like(seen, dtype=torch.bool)
    if not isinstance(source, Tensor) or not source.dim():
        return nowhere
    if bare_name(op) == "_to_copy" and source.is_floating_point() and seen.dtype != torch.bool:
        fits = torch.iinfo(seen.dtype)  # what does not fit becomes any number
        return ~((source >= fits.min) & (source < 2.0**63) & (source <= fits.max))
    if seen.dtype != torch.int64:
        return nowhere
    view = _chosen_from(op, args, kwargs, source, seen.dim())
    if view is None:
        return nowhere
    values, dim, shape = view
    size = values.shape[dim]
    mine, other = (p.reshape(shape(p)).clamp(0, size - 1) for p in (seen, healthy))
    mine, other = values.gather(dim, mine), values.gather(dim, other)
    same = (mine == other) | (mine.isnan() & other.isnan())
    return same.reshape(seen.shape) & (seen >= 0) & (seen < size)


View = tuple[Tensor, int, Callable[[Tensor], list[int]]]


def _chosen_from(op: OpOverload, args: Any, kwargs: Any, source: Tensor, dims: int) -> View | None:
    """Returns the elements to choose from, the dimension, and the shape for places in them."""
    name = bare_name(op)
    if name in POOLS:
        last = POOLS[name]
        return source.flatten(-last), -1, lambda p: [*p.shape[:-last], -1]
    if name not in ALONG:
        return None
    dim = named(op, args, kwargs).get("dim", -1 if name in LAST else None)
    if dim is None:
        return source.reshape(-1), 0, lambda _: [-1]
    if dims == source.dim():
        return source, dim, lambda p: [*p.shape]
    return source, dim, lambda p: [*p.unsqueeze(dim).shape]
