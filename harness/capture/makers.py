"""Who made a node of autograd: the forward operator, by the numbers that nodes carry."""

from __future__ import annotations

from bisect import bisect_right
from threading import get_ident
from typing import Any, NamedTuple

import torch
from torch import nn

NO_MAKER = 1 << 62
"""Nodes that accumulate gradients carry the largest number there is."""


class Maker(NamedTuple):
    """A forward operator: the path of its module, that module's call, and the program's line."""

    module: str = ""
    call: int = 0
    source: str = ""


class Makers:
    """Remembers the makers of a step's nodes.

    torch counts the nodes of each thread. A backward pass on an accelerator has a thread of its
    own, which makes nodes if it repeats a forward pass (activation checkpointing).
    """

    def __init__(self, network: nn.Module) -> None:
        self._tables: dict[int, tuple[list[int], list[Maker]]] = {}
        self._thread = get_ident()
        self._owners = {
            id(p): Maker(module=path)
            for path, module in network.named_modules()
            for p in module.parameters(recurse=False)
        }

    def clear(self) -> None:
        """Forgets all nodes; the thread that calls it runs the forward pass."""
        self._tables.clear()
        self._thread = get_ident()

    def is_new(self) -> bool:
        """Returns True if a node was made that no maker is known of."""
        numbers, _ = self._table()
        return not numbers or torch._C._autograd._get_sequence_nr() - 1 > numbers[-1]

    def add(self, maker: Maker) -> None:
        """Notes the maker of the newest node of this thread."""
        numbers, makers = self._table()
        numbers.append(torch._C._autograd._get_sequence_nr() - 1)
        makers.append(maker)

    def of(self, node: Any) -> Maker:
        """Returns the maker of a node; a gradient is accumulated by the owner of its parameter."""
        number = node._sequence_nr()
        if number >= NO_MAKER:
            return self._owners.get(id(getattr(node, "variable", None)), Maker())
        mine = self._tables.get(get_ident())
        if mine is None or not mine[0] or not mine[0][0] <= number <= mine[0][-1]:
            mine = self._tables.get(self._thread)
        if mine is None or not mine[0]:
            return Maker()
        return mine[1][max(0, bisect_right(mine[0], number) - 1)]

    def _table(self) -> tuple[list[int], list[Maker]]:
        return self._tables.setdefault(get_ident(), ([], []))
