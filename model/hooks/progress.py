"""How far a training is and how long it will take, on standard error."""

import sys
import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model.registry import HOOKS


class Pace:
    """The time that a step takes; the first one, which warms the libraries, counts while alone."""

    def __init__(self, *, done: int, started: float) -> None:
        self.done, self.started = done, started
        self.steps = 0

    def left(self, done: int, total: int, now: float) -> float:
        """Seconds until `total` steps are done, when `done` of them are; validation is not in."""
        self.steps += 1
        per_step = (now - self.started) / max(1, done - self.done)
        if self.steps == 1:
            self.done, self.started = done, now
        return per_step * max(0, total - done)


def duration(seconds: float) -> str:
    """Returns a time as one says it: 40 s, 3 min, 2 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows on rank 0 how many steps are done, and the time that is left.

    A bar where standard error is a terminal and standard output is not: records that scroll by
    would tear it apart. Else a line after the first step, and then every `every_s` seconds.
    """

    priority = "LOWEST"

    def __init__(self, *, every_s: float = 30.0) -> None:
        self.every_s = every_s

    def before_train(self, runner: Runner) -> None:
        """Starts at the step where training starts."""
        self.pace = Pace(done=runner.iter, started=time.perf_counter())
        self.told: float | None = None
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
        """Moves on by a step."""
        if self.bar.disable:
            self._tell(runner, time.perf_counter())
            return
        self.bar.update(self.task, completed=runner.iter + 1, loss=outputs["loss"].detach().item())

    def _tell(self, runner: Runner, now: float) -> None:
        """A line on what is left, where one is due."""
        left = self.pace.left(runner.iter + 1, runner.max_iters, now)
        if runner.rank == 0 and (self.told is None or now - self.told >= self.every_s):
            self.told = now
            steps = f"{runner.iter + 1} of {runner.max_iters} steps done"
            print(f"training: {steps}, about {duration(left)} left", file=sys.stderr, flush=True)

    def after_train(self, runner: Runner) -> None:
        """Takes the bar away."""
        self.bar.stop()
