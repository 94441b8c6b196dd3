"""Ablation: some operators of a training run on the CPU, the others on the device.

with on_cpu(model, "aten::_softmax"):           # or a module: "decode_head.cca"
    train(...)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload

from harness.capture.again import CPU, on_host, run, without_modes
from harness.capture.operators import (
    bare_name,
    computes,
    is_random,
    results,
    written,
)
from harness.capture.renamed import OTHER_NAMES
from harness.capture.trees import Arguments, mapped, tensors
from harness.capture.watcher import Watcher
from harness.errors import HarnessError
from harness.locate.names import canonical


class OnCpu(Watcher):
    """Runs the operators of `what` on the CPU. `moved` counts their calls.

    `what` is the name of an operator, with or without `aten::`, or the path of a module with all
    its operators, forward and backward. Random operators stay on the device.

    Raises:
        HarnessError: an operator has no kernel on the CPU.
    """

    def __init__(self, network: nn.Module, what: str) -> None:
        super().__init__(network)
        self.what = what
        self.moved: Counter[str] = Counter()
        paths = {path for path, _ in self.modules.network.named_modules() if path}
        self._is_module = what in paths

    def __torch_dispatch__(
        self, op: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not computes(op):
            self.modules.note()
            return op(*args, **kwargs)
        if is_random(op, args, kwargs) or not self._chosen(op):
            return op(*args, **kwargs)
        devices = {t.device for t in tensors((args, kwargs)) if t.device != CPU}
        if len(devices) != 1:
            return op(*args, **kwargs)
        self.moved[bare_name(op)] += 1
        return _on_cpu(op, args, kwargs, devices.pop())

    def _chosen(self, op: OpOverload) -> bool:
        module = self.modules.here().module
        if self._is_module:
            return module == self.what or module.startswith(f"{self.what}.")
        return self.what in {op._schema.name, bare_name(op), canonical(op._schema.name)}


def _on_cpu(op: OpOverload, args: Any, kwargs: Any, device: torch.device) -> Any:
    """Returns what an operator returns, computed on the CPU; what it writes is written back."""
    arguments = on_host(args, kwargs)
    copies = tensors(arguments)
    back = {id(copy): t for copy, t in zip(copies, tensors((args, kwargs)), strict=True)}

    def to_device(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return back[id(value)] if id(value) in back else value.to(device)

    with torch.no_grad():
        with without_modes():
            try:
                returned = op(*arguments[0], **arguments[1])
            except (RuntimeError, NotImplementedError) as error:
                returned = _by_another_name(op, arguments, error)
        for tensor in results(op, *arguments, returned):
            if id(tensor) in back:
                back[id(tensor)].copy_(tensor)
        return mapped(to_device, returned)


def _by_another_name(op: OpOverload, arguments: Arguments, reason: Exception) -> Any:
    """Returns what the CPU's operator for the same work returns."""
    name = op._schema.name
    if bare_name(op) not in OTHER_NAMES or any(True for _ in written(op, *arguments)):
        raise HarnessError(f"{name} has no kernel on the CPU: {reason}") from reason
    found = run(op, arguments, [])
    if len(found) < len(op._schema.returns) or any(t is None for t in found):
        raise HarnessError(f"{name} has no equal kernel on the CPU: it returns more") from reason
    return found[0] if len(op._schema.returns) == 1 else tuple(found)


@contextmanager
def on_cpu(model: nn.Module, what: str) -> Iterator[OnCpu]:
    """Runs an operator or a module of a network on the CPU inside the `with` block.

    Args:
        model: the network, on a device.
        what: `aten::_softmax`, or a module's path such as `decode_head.cca`.

    Yields:
        the OnCpu, whose `moved` counts the calls by operator.

    Raises:
        HarnessError: nothing was moved, because the network has no such operator or module.
    """
    with OnCpu(model, what) as mode:
        yield mode
    check_moved(mode)


def check_moved(mode: OnCpu) -> None:
    """Raises HarnessError if nothing ran on the CPU."""
    if not mode.moved:
        raise HarnessError(
            f"{mode.what!r} is neither a module of the network nor an operator that ran on a "
            "device; expected a path such as decode_head.cca, or a name such as aten::_softmax"
        )
