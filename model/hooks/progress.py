"""A progress bar on standard error, where a person looks at it."""

import sys
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows step, loss and time left on rank 0.

    Only where standard error is a terminal and standard output is not: records that scroll by would
    tear the bar apart, and tell as much.
    """

    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        """Start the bar at the step where training starts."""
        visible = runner.rank == 0 and sys.stderr.isatty() and not sys.stdout.isatty()
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not visible,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.bar.start()
        self.task = self.bar.add_task(
            "train", total=runner.max_iters, completed=runner.iter, loss=float("nan")
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Move on by a step."""
        if self.bar.disable:
            return
        self.bar.update(self.task, completed=runner.iter + 1, loss=outputs["loss"].detach().item())

    def after_train(self, runner: Runner) -> None:
        """Take the bar away."""
        self.bar.stop()
