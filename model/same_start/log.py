"""The step log of a same start: its head states what the start was, its records hold more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.runner import Runner

from model.devices import device_of_type
from model.hooks.port_log import PortLogHook, write_head
from model.registry import HOOKS
from model.same_start.start import SameStart


@HOOKS.register_module()
class SameStartLogHook(PortLogHook):
    """Writes the head once the weights are those of the first step, then a record a step.

    The runner's `same_start` is what it asks.
    """

    def before_train(self, runner: Runner) -> None:
        """Writes the head on rank 0, and opens the log."""
        start = _start(runner)
        self.quiet = start.quiet
        facts = start.begin()
        if runner.rank == 0:
            write_head(Path(runner.work_dir), facts, runner.cfg, quiet=self.quiet)
        super().before_train(runner)

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,  # noqa: ARG002 - mmengine names it
        data_batch: Any = None,  # noqa: ARG002 - mmengine names it
    ) -> None:
        """Begins the random numbers of the step."""
        _start(runner).begin_step(runner.iter)
        self.untouched = _generators() if runner.iter == 0 else None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Writes the record; warns if the first step drew from torch's generator."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self.untouched is not None and self.untouched != _generators():
            print(
                "warning: --same-start: something in the step draws from torch's generator; on "
                "another device it draws other numbers, and the runs will differ from step 0",
                file=sys.stderr,
            )

    def more(self, runner: Runner, outputs: dict[str, Any]) -> dict[str, float]:
        """Returns the parts of the loss, the rate, and the norms."""
        return _start(runner).figures(outputs)


def _generators() -> list[bytes]:
    """Returns the states of torch's generators, the CPU's and the device's."""
    device = device_of_type(get_device()).module
    asked = [torch.get_rng_state, getattr(device, "get_rng_state", None)]
    return [ask().cpu().numpy().tobytes() for ask in asked if ask is not None]


def _start(runner: Runner) -> SameStart:
    start = runner.same_start
    assert isinstance(start, SameStart)
    return start
