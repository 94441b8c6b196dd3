"""The tensors inside any value: arguments of a network, its outputs, samples of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

DEEPEST = 8


def tensors_in(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors inside a value with their paths, such as `0.image` or `loss`.

    It goes into mappings, sequences and the attributes of other objects, eight levels deep.
    """
    if isinstance(value, Tensor):
        yield name or "0", value
    elif depth < DEEPEST:
        for key, item in _items(value):
            yield from tensors_in(item, f"{name}.{key}" if name else key, depth + 1)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes, range)):
        yield from ((str(n), item) for n, item in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        yield from ((str(key), item) for key, item in vars(value).items())
