"""What kind of operator a call of the dispatcher is, and which tensors are its results."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from harness.capture.trees import tensors

UNINITIALISED = ("empty", "new_empty", "resize_", "_efficientzerotensor")
NOT_COMPUTED = {
    "_local_scalar_dense",
    "equal",
    "item",
    "lift_fresh",
    "record_stream",
    "set_",
    "_pin_memory",
    "is_pinned",
}
"""They return no tensor of numbers, or change no number."""
# fmt: off
SELECTING = {
    "abs", "amax", "amin", "argmax", "argmin", "cat", "clamp", "clamp_min", "clamp_max",
    "clone", "constant_pad_nd", "copy", "copy_", "embedding", "fill", "fill_", "flip",
    "gather", "hardtanh", "hardtanh_backward", "index", "index_select", "masked_fill",
    "masked_fill_", "max", "max_pool2d_with_indices", "maximum", "min", "minimum", "neg",
    "ones", "ones_like", "relu", "relu_", "repeat", "roll", "select_backward",
    "slice_backward", "sort", "stack", "threshold_backward", "topk", "tril", "triu",
    "unfold", "where", "zero_", "zeros", "zeros_like", "zeros_like_", "sign",
}
# fmt: on
"""They only select, copy or negate elements: a healthy kernel rounds nothing."""
RUNNING = (3, 4)
"""The places of the running statistics among the arguments of a batch norm's forward."""


@cache
def name_of(op: OpOverload) -> str:
    """Returns `aten::relu` for `aten.relu.default`."""
    return str(op._schema.name)


@cache
def bare_name(op: OpOverload) -> str:
    """Returns `relu` for `aten.relu.default`."""
    return name_of(op).rpartition("::")[2]


@cache
def computes(op: OpOverload) -> bool:
    """Returns True if an operator computes numbers: no view, no allocation, no query."""
    name = bare_name(op)
    return not (name in NOT_COMPUTED or name.startswith(UNINITIALISED) or _is_view(op))


def _is_view(op: OpOverload) -> bool:
    """Returns True if the results share the memory of an argument that is not written."""
    aliases = [r.alias_info for r in op._schema.returns]
    return bool(aliases) and any(a is not None and not a.is_write for a in aliases)


def is_random(op: OpOverload, args: Any, kwargs: Any) -> bool:
    """Returns True if a call draws random numbers; attention draws none unless it drops weights."""
    if torch.Tag.nondeterministic_seeded not in op.tags:
        return False
    given = named(op, args, kwargs)
    rates = [a.name for a in op._schema.arguments if a.name == "dropout_p"]
    return not rates or bool(given.get("dropout_p", 0.0))


def named(op: OpOverload, args: Any, kwargs: Any) -> dict[str, Any]:
    """Returns the arguments by the names of the operator's schema."""
    stated = [argument.name for argument in op._schema.arguments]
    return {**dict(zip(stated, args, strict=False)), **kwargs}


@cache
def selects(op: OpOverload) -> bool:
    """Returns True if an operator rounds nothing."""
    return bare_name(op) in SELECTING


def results(op: OpOverload, args: Any, kwargs: Any, returned: Any) -> list[Tensor]:
    """Returns the tensors that an operator computed: returned ones, then arguments it wrote.

    An argument that is written and returned counts once.
    """
    found = tensors(returned)
    seen = {id(tensor) for tensor in found}
    for tensor in written(op, args, kwargs):
        if id(tensor) not in seen:
            found.append(tensor)
            seen.add(id(tensor))
    return found


def written(op: OpOverload, args: Any, kwargs: Any) -> Iterator[Tensor]:
    """Yields the arguments that an operator writes."""
    for n, name in _written_places(op):
        yield from tensors(args[n] if n < len(args) else kwargs.get(name))


def writes(op: OpOverload) -> bool:
    """Returns True if an operator may write into an argument."""
    return bool(_written_places(op))


@cache
def _written_places(op: OpOverload) -> tuple[tuple[int, str], ...]:
    """Returns places and names of the arguments that an operator writes.

    The schemas of batch norms do not say that they write the running statistics.
    """
    stated = list(enumerate(op._schema.arguments))
    found = [(n, a.name) for n, a in stated if a.alias_info is not None and a.alias_info.is_write]
    name = bare_name(op)
    if "batch_norm" in name and "backward" not in name:
        running = [(n, stated[n][1].name) for n in RUNNING if n < len(stated)]
        found += [(n, name) for n, name in running if name.startswith("running_")]
    return tuple(found)
