"""Which module, and which line of the program, an operator belongs to, forward and backward."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

NOT_THE_PROGRAM = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<frozen")
"""Files whose lines are not the user's."""


class Place(NamedTuple):
    """Where an operator ran.

    `module` is the path of the innermost module, `call` how often it was called before in the step.
    `phase` is forward, backward or optimizer. `order` counts the operators of the step.
    """

    module: str
    call: int
    phase: str
    order: int
    step: int
    source: str


class Modules:
    """Follows the modules of a network by hooks, between `attach` and `detach`.

    An operator of the backward pass belongs to the module whose forward operator made its autograd
    node: nodes carry a number that rises during the forward pass. `on_forward` is called when the
    network is, and may return other arguments; `on_input` and `on_output` when a module is called
    and returns; `on_optimizer` before (True) and after (False) an optimizer's step.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = unwrapped(network)
        self.step = -1
        self.on_forward: list[Callable[[tuple[Any, ...], dict[str, Any]], Any]] = []
        self.on_input: list[Callable[[str, int, Any], None]] = []
        self.on_output: list[Callable[[str, int, Any], None]] = []
        self.on_optimizer: list[Callable[[bool], None]] = []
        self._stack: list[tuple[str, int]] = []
        self._calls: Counter[str] = Counter()
        self._order = 0
        self._numbers: list[int] = []
        self._makers: list[tuple[str, int, str]] = []
        self._went_back = True
        self._optimizing = False
        self._handles: list[Any] = []

    def attach(self) -> None:
        """Registers the hooks."""
        for path, module in self.network.named_modules():
            self._handles += [
                module.register_forward_pre_hook(partial(self._enter, path), with_kwargs=True),
                module.register_forward_hook(partial(self._leave, path), always_call=True),
            ]
        self._handles += [
            register_optimizer_step_pre_hook(partial(self._optimize, True)),
            register_optimizer_step_post_hook(partial(self._optimize, False)),
        ]

    def detach(self) -> None:
        """Removes the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    @property
    def phase(self) -> str:
        """The pass that runs now: forward or backward."""
        return "forward" if torch._C._current_autograd_node() is None else "backward"

    def here(self) -> Place:
        """Returns the place of the operator that runs now, and counts it."""
        order = self._order
        self._order += 1
        node = torch._C._current_autograd_node()
        if node is not None:
            self._went_back = True
            module, call, source = self._maker(node)
            if self._stack:  # a forward pass again, for activation checkpointing
                (module, call), source = self._stack[-1], line_of_the_program()
            return Place(module, call, "backward", order, max(0, self.step), source)
        if self._optimizing:
            return Place("", 0, "optimizer", order, max(0, self.step), "")
        module, call = self._stack[-1] if self._stack else ("", 0)
        source = line_of_the_program()
        number = torch._C._autograd._get_sequence_nr() - 1
        if not self._numbers or number > self._numbers[-1]:
            self._numbers.append(number)
            self._makers.append((module, call, source))
        return Place(module, call, "forward", order, max(0, self.step), source)

    def _maker(self, node: Any) -> tuple[str, int, str]:
        """Returns module, call and line of the forward operator that made a node.

        Nodes that only accumulate gradients have the largest number there is, and no maker.
        """
        number = node._sequence_nr()
        if not self._numbers or number > self._numbers[-1] + 1_000_000:
            return "", 0, ""
        at = bisect_right(self._numbers, number) - 1
        return self._makers[max(0, at)]

    def _enter(self, path: str, module: nn.Module, args: Any, kwargs: Any) -> Any:
        changed = None
        if module is self.network and not self._stack:
            self._begin()
            for told in self.on_forward:
                changed = told(*(changed or (args, kwargs))) or changed
        call = self._calls[path]
        self._stack.append((path, call))
        self._calls[path] += 1
        for seen in self.on_input:
            seen(path, call, changed or (args, kwargs))
        return changed

    def _leave(self, path: str, _: nn.Module, __: Any, output: Any) -> None:
        if not self._stack:
            return
        _, call = self._stack.pop()
        for told in self.on_output:
            told(path, call, output)

    def _begin(self) -> None:
        """Begins a step, at the first call of the network after a backward pass."""
        if not self._went_back:
            return
        self._went_back = False
        self.step += 1
        self._order = 0
        self._calls.clear()
        self._numbers.clear()
        self._makers.clear()

    def _optimize(self, begins: bool, *_: Any) -> None:
        if begins:
            for told in self.on_optimizer:
                told(True)
        self._optimizing = begins
        if not begins:
            for told in self.on_optimizer:
                told(False)


def unwrapped(network: nn.Module) -> nn.Module:
    """Returns the network without the wrappers of torch's parallel training."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while isinstance(network, wrappers):
        network = network.module
    return network


def line_of_the_program() -> str:
    """Returns `file:line` of the innermost frame outside torch and this package; "" without one."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(NOT_THE_PROGRAM):
            return f"{_short(name)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _short(name: str) -> str:
    """Returns a path below the current folder as relative, another with its last two names."""
    path = Path(name)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return "/".join(path.parts[-2:])
