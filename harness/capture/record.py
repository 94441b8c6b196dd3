"""Record: a sketch of every tensor of the first steps, into a capture for `harness locate`.

with record(model, "gpu.capture"):
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils.hooks import RemovableHandle

from harness.capture.again import without_modes
from harness.capture.facts import autocast_of, facts_of
from harness.capture.modules import Place
from harness.capture.operators import computes, name_of, results
from harness.capture.records import Records
from harness.capture.start import hiding, move_inputs, move_weights, turn_images
from harness.capture.trees import Arguments, tensors
from harness.capture.walk import tensors_in
from harness.capture.watcher import Watcher
from harness.locate.capture import Capture, Record
from harness.locate.format import to_bytes
from harness.system.whole import write_bytes


class Recorder(Watcher):
    """Records what runs inside its `with` block. `capture()` is the result so far.

    `steps` is the number of steps to record; later ones run unrecorded.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        steps: int = 1,
        twin: int = 0,
        moved: bool = True,
        unhide: bool = False,
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps is {steps}; expected 1 or more")
        if twin < 0:
            raise ValueError(f"twin is {twin}; expected 0 for the run itself, or 1, 2, ...")
        super().__init__(network, unhide=unhide)
        self.steps = steps
        self.twin = twin
        self.moved = moved and twin > 0
        self.network = self.modules.network
        self.facts = facts_of(network)
        self.records = Records()
        self.zeros: tuple[str, ...] = ()
        self._before: dict[str, Tensor] = {}
        self._graded = -1
        self._backwards: Counter[int] = Counter()
        self._process = os.getpid()
        self._turned: RemovableHandle | None = None

    def begin(self) -> None:
        """Registers the hooks."""
        self.modules.on_forward.append(self._forward)
        self.modules.on_input.append(self._input)
        self.modules.on_output.append(self._output)
        self.modules.on_optimizer.append(self._optimize)
        super().begin()
        self._backward = torch.autograd.backward
        torch.autograd.backward = self._noted_backward  # type: ignore[assignment]

    def end(self) -> None:
        """Removes the hooks, and records gradients that no optimizer used."""
        torch.autograd.backward = self._backward
        if self._turned is not None:
            self._turned.remove()
        super().end()
        self._complete()

    def capture(self) -> Capture:
        """Returns what was recorded."""
        return self.records.capture(
            facts=self.facts, zeros=self.zeros, twin=self.twin, moved=self.moved
        )

    def __torch_dispatch__(
        self, op: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not (self._recording and self.modules.watching) or os.getpid() != self._process:
            return op(*args, **kwargs)
        if not computes(op):
            self.modules.note()
            return op(*args, **kwargs)
        at = self.modules.here()
        returned = op(*args, **kwargs)
        if at.phase != "optimizer":
            with without_modes():
                self._operator(op, at, args, kwargs, returned)
        return returned

    def _operator(self, op: OpOverload, at: Place, args: Any, kwargs: Any, returned: Any) -> None:
        made_from = self.records.numbers_of(tensors((args, kwargs)))
        for n, tensor in enumerate(results(op, args, kwargs, returned)):
            self.records.add(
                Record(
                    kind="operator", name=name_of(op), module=at.module, call=at.call,
                    phase=at.phase, order=at.order, output=n, step=at.step,
                    source=at.source, made_from=made_from,
                ),
                tensor,
            )  # fmt: skip

    @property
    def _recording(self) -> bool:
        return self.modules.step < self.steps

    def _forward(self, arguments: Arguments, call: int, begins: bool) -> Arguments | None:
        """Records the arguments of a call of the network, and before them the start of a step."""
        step = self.modules.step
        if not self._recording:
            return None
        with without_modes():
            if begins:
                self._start(step)
            if self.moved:
                arguments = move_inputs(arguments, draw=self.twin, eps=self._unit())
            for name, tensor in tensors_in(arguments):
                self.records.add(Record(kind="input", name=name, step=step, call=call), tensor)
        return arguments if self.moved else None

    def _start(self, step: int) -> None:
        """Records weights and buffers at the first step, and keeps them on the host at each."""
        if step == 0:
            self.facts["autocast"] = autocast_of(self.facts["device"]) or "off"
            self.zeros = hiding(self.network)
            if self.moved:
                move_weights(self.network, draw=self.twin, eps=self._unit())
                if self.twin % 2:
                    self._turned = turn_images(self.network)
        for kind, named in self._state().items():
            for name, tensor in named.items():
                self._before[name] = tensor.detach().to("cpu", copy=True)
                if step == 0:
                    self.records.add(Record(kind=kind, name=name), tensor)

    def _unit(self) -> float | None:
        """Returns the unit of a benign rounding, from the format of autocast; None without it."""
        autocast = self.facts["autocast"]
        return None if autocast == "off" else torch.finfo(getattr(torch, autocast)).eps / 2

    def _state(self) -> dict[str, dict[str, Tensor]]:
        buffers = {n: b for n, b in self.network.named_buffers() if b.is_floating_point()}
        return {"weight": dict(self.network.named_parameters()), "buffer": buffers}

    def _input(self, path: str, call: int, given: Any) -> None:
        """Records what a module is given; hooks may change it behind the operator that made it."""
        if not (self._recording and path):
            return
        with without_modes():
            for n, (name, tensor) in enumerate(tensors_in(given)):
                if tensor.is_floating_point() and not isinstance(tensor, nn.Parameter):
                    at = Record(
                        kind="module", name=f"input {name}", module=path, call=call, output=n,
                        step=self.modules.step, phase=self.modules.phase,
                    )  # fmt: skip
                    self.records.add(at, tensor)

    def _output(self, path: str, call: int, output: Any) -> None:
        if not self._recording:
            return
        with without_modes():
            for n, (name, tensor) in enumerate(tensors_in(output)):
                at = Record(
                    kind="module", name=name, module=path, call=call, output=n,
                    step=self.modules.step, phase=self.modules.phase,
                )  # fmt: skip
                self.records.add(at, tensor)
                if not path and tensor.dim() == 0 and "loss" in name:
                    self.records.add(at._replace(kind="loss", module=""), tensor)

    def _noted_backward(self, roots: Any, *args: Any, **kwargs: Any) -> None:
        """Records the tensors from which a backward pass of the step starts, and runs it."""
        step = self.modules.step
        if self._recording and step >= 0 and torch._C._current_autograd_node() is None:
            with without_modes():
                for n, tensor in enumerate(tensors(roots)):
                    at = Record(kind="loss", name="loss", output=n, step=step)
                    self.records.add(at._replace(call=self._backwards[step]), tensor)
            self._backwards[step] += 1
            self._backward(roots, *args, **kwargs)
            self._gradients(0)
            return
        self._backward(roots, *args, **kwargs)

    def _optimize(self, begins: bool, optimizer: torch.optim.Optimizer) -> None:
        """Records gradients before an optimizer's step, and the update after it."""
        if not self._recording or self.modules.step < 0:
            return
        self._complete()
        if begins:
            return
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        named = self._state()["weight"].items()
        self._updates("update", {name: p for name, p in named if id(p) in held})

    def _updates(self, kind: str, named: dict[str, Tensor]) -> None:
        """Records the differences to the start of the step, formed in float64 on the host."""
        with without_modes():
            for name, tensor in named.items():
                difference = tensor.detach().cpu().double() - self._before[name].double()
                at = Record(kind=kind, name=name, step=self.modules.step)
                self.records.add(at, difference, dtype=tensor.dtype)

    def _complete(self) -> None:
        """Records the step's running statistics and final gradients, once."""
        step = self.modules.step
        if not self._recording or step < 0 or self._graded == step:
            return
        self._graded = step
        self._updates("buffer_update", self._state()["buffer"])
        self._gradients(1)

    def _gradients(self, place: int) -> None:
        """Records the gradients: after a backward pass (0), and what an optimizer gets of them (1).

        The second is recorded only where something changed it, such as clipping or unscaling.
        """
        with without_modes():
            for name, parameter in self.network.named_parameters():
                if parameter.grad is not None:
                    at = Record(
                        kind="gradient", name=name, step=self.modules.step, phase="backward",
                        output=place, made_from=self.records.numbers_of([parameter.grad]),
                    )  # fmt: skip
                    self.records.add_changed(at, parameter.grad)


@contextmanager
def record(
    model: nn.Module,
    path: str | Path,
    *,
    steps: int = 1,
    twin: int = 0,
    moved: bool = True,
    unhide: bool = False,
) -> Iterator[Recorder]:
    """Records the first steps inside the `with` block, and writes a capture when it ends.

    Args:
        model: the network; any torch module, on any device.
        path: the file to write, such as `gpu.capture`.
        steps: how many steps to record; about 1 MB each for a thousand operators.
        twin: k for the k-th repetition of the same start, written to `gpu.twin<k>.capture`. A
            repetition shows how far apart healthy runs are.
        moved: moves weights and inputs of a twin by one unit in the last place; False repeats the
            step as it is, which shows what varies from run to run on one device.
        unhide: gives parameters that are all zero other values first; they hide faults of what they
            multiply. Both sides need the same choice. It changes the model.

    Yields:
        the Recorder.

    Raises:
        HarnessError: the file cannot be written.
        ValueError: `steps` or `twin` is out of range, or no step ran in the block.
    """
    recorder = Recorder(model, steps=steps, twin=twin, moved=moved, unhide=unhide)
    with recorder:
        yield recorder
    capture = recorder.capture()
    if not capture.records:
        raise ValueError("the network was not called inside the block, so nothing was recorded")
    write_bytes(twin_path(path, twin), to_bytes(capture))


def twin_path(path: str | Path, twin: int) -> Path:
    """Returns `gpu.twin1.capture` for `gpu.capture` and twin 1; the path itself for twin 0."""
    path = Path(path)
    return path.with_name(f"{path.stem}.twin{twin}{path.suffix}") if twin else path
