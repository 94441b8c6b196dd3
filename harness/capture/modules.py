"""Which module, and which line of the program, an operator belongs to, forward and backward."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils._python_dispatch import _disable_current_modes

from harness.capture.makers import Maker, Makers
from harness.capture.trees import Arguments

NOT_THE_PROGRAM = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<frozen")
"""Files whose lines are not the user's."""
COMPILED = "OptimizedModule"
"""torch's class of a compiled network; importing it takes seconds."""


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
    node. A step begins at a call of the network that trains it, after the last step's update or
    after its gradients were set to zero. A call without gradients is an evaluation and belongs to
    no step, and neither does what runs between an update and the next step: `watching` is False
    then.

    `on_forward` is called for each call that trains, with its arguments, its number in the step,
    and True if it begins the step. `on_input` and `on_output` are called with what a
    module is given and returns, `on_optimizer` before (True) and after (False) an optimizer's step.

    Raises:
        ValueError: the network is compiled.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = unwrapped(network)
        refuse_compiled(self.network)
        self.step = -1
        self.watching = False
        self.on_forward: list[Callable[[Arguments, int, bool], Arguments | None]] = []
        self.on_input: list[Callable[[str, int, Any], None]] = []
        self.on_output: list[Callable[[str, int, Any], None]] = []
        self.on_optimizer: list[Callable[[bool, torch.optim.Optimizer], None]] = []
        self._stack: list[tuple[str, int]] = []
        self._calls: Counter[str] = Counter()
        self._order = 0
        self._makers = Makers(self.network)
        self._went_back = True
        self._updated = True
        self._versions = 0
        self._optimizing = False
        self._weights = {id(p) for p in self.network.parameters()}
        self._handles: list[Any] = []

    def attach(self) -> None:
        """Registers the hooks.

        A module is entered before its other hooks run, and its input is seen after them, since they
        may change it.
        """
        for path, module in self.network.named_modules():
            self._handles += [
                module.register_forward_pre_hook(
                    partial(self._enter, path), with_kwargs=True, prepend=True
                ),
                module.register_forward_pre_hook(partial(self._given, path), with_kwargs=True),
                module.register_forward_hook(partial(self._leave, path), always_call=True),
            ]
        self._handles += [
            register_optimizer_step_pre_hook(self._before_update),
            register_optimizer_step_post_hook(self._after_update),
        ]

    def detach(self) -> None:
        """Removes the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._stack.clear()

    @property
    def phase(self) -> str:
        """The pass that runs now: forward or backward."""
        return "forward" if torch._C._current_autograd_node() is None else "backward"

    def note(self) -> None:
        """Notes who makes the autograd node of an operator that is not counted, such as a view."""
        if torch._C._current_autograd_node() is None or self._stack:
            self._forward()

    def here(self) -> Place:
        """Returns the place of the operator that runs now, and counts it."""
        order = self._order
        self._order += 1
        step = max(0, self.step)
        node = torch._C._current_autograd_node()
        if node is not None:
            self._went_back = True
            maker = self._makers.of(node)
            if self._stack:  # a module repeats its forward pass: checkpointing
                maker = self._forward(otherwise=maker.source)
            return Place(maker.module, maker.call, "backward", order, step, maker.source)
        if self._optimizing and self._went_back:
            return Place("", 0, "optimizer", order, step, "")
        maker = self._forward()
        return Place(maker.module, maker.call, "forward", order, step, maker.source)

    def _forward(self, otherwise: str = "") -> Maker:
        """Returns the maker of the operator; an accelerator's thread has no line of the program."""
        module, call = self._stack[-1] if self._stack else ("", 0)
        maker = Maker(module, call, line_of_the_program() or otherwise)
        if self._makers.is_new():
            self._makers.add(maker)
        return maker

    def _enter(self, path: str, _: nn.Module, args: Any, kwargs: Any) -> Any:
        changed: Arguments | None = None
        if not path and not self._stack:
            self.watching = torch.is_grad_enabled()
            if self.watching:
                changed = self._train((args, kwargs))
        self._stack.append((path, self._calls[path]))
        self._calls[path] += self.watching
        return changed

    def _given(self, path: str, _: nn.Module, args: Any, kwargs: Any) -> None:
        for seen in self.on_input if self.watching and self._stack else ():
            seen(path, self._stack[-1][1], (args, kwargs))

    def _train(self, arguments: Arguments) -> Arguments | None:
        begins = self._begins()
        if begins:
            self.step += 1
            self._order = 0
            self._calls.clear()
            self._makers.clear()
            self._updated = False
            self._versions = self._version()
        self._went_back = False
        changed: Arguments | None = None
        for told in self.on_forward:
            changed = told(changed or arguments, self._calls[""], begins) or changed
        return changed

    def _begins(self) -> bool:
        """Returns True if a call of the network begins a step, and is no part of the last one."""
        if self._updated or self._optimizing:  # LBFGS calls the network inside its step
            return self._updated
        if not self._went_back:
            return False
        if self._versions != self._version():
            return True
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        with _disable_current_modes():
            return not any(bool(g.any()) for g in gradients)

    def _version(self) -> int:
        """Returns a number that rises when a weight is written, by whatever optimizer."""
        return sum(p._version for p in self.network.parameters())

    def _leave(self, path: str, _: nn.Module, __: Any, output: Any) -> None:
        if not self._stack:
            return
        call = self._stack.pop()[1]
        if self.watching:
            for told in self.on_output:
                told(path, call, output)
        elif not self._stack:  # an evaluation between a forward pass and its backward pass
            self.watching = not self._went_back

    def _before_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._optimizing = True
        if self._is_ours(optimizer):
            for told in self.on_optimizer:
                told(True, optimizer)

    def _after_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._optimizing = False
        if self._is_ours(optimizer):
            self._updated = True
            self.watching = False
            for told in self.on_optimizer:
                told(False, optimizer)

    def _is_ours(self, optimizer: torch.optim.Optimizer) -> bool:
        held = (p for group in optimizer.param_groups for p in group["params"])
        return any(id(p) in self._weights for p in held)


def refuse_compiled(network: nn.Module) -> None:
    """Raises ValueError if a module of a network is compiled: its operators run unseen."""
    for path, module in network.named_modules():
        call = getattr(module, "_compiled_call_impl", None)
        if hasattr(call, "_torchdynamo_orig_callable") or type(module).__name__ == COMPILED:
            name = f"its module {path}" if path else "the network"
            raise ValueError(
                f"{name} is compiled, so that single operators do not run; expected a network "
                "without torch.compile: set TORCH_COMPILE_DISABLE=1 before torch is imported"
            )


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
        name = _shown(frame.f_code.co_filename)
        if name:
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@cache
def _shown(name: str) -> str:
    """Returns a file's path below the current folder, another's last two names, "" for torch's."""
    if name.startswith(NOT_THE_PROGRAM):
        return ""
    path = Path(name)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return "/".join(path.parts[-2:])
