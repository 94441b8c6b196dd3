"""The step log: one record per step and rank, on standard output and in `port.log`.

Every rank writes its own records, each by a single `write` to a descriptor in append mode. A record
is some 200 bytes: below PIPE_BUF (4096 on Linux) the kernel never splits it, so lines of several
ranks do not mix in a file or a pipe, and no rank waits for another. (Ranks on several machines that
share a network folder have no such promise; there, each machine's standard output is whole.)
The loss is the rank's own, before any reduction. mmengine's hooks have read it already at this
point (`RuntimeInfoHook` takes its `item()`), so reading it here waits for nothing more.
"""

import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner

from model.devices import device_of_type, peak_memory_mib
from model.environment import Facts, environment_block
from model.errors import WriteError
from model.registry import HOOKS

FILE_NAME = "port.log"


def format_record(
    now: datetime,
    *,
    epoch: int,
    iteration: int,
    rank: int,
    loss: float,
    batch: int,
    step_s: float,
    more: Mapping[str, float] | None = None,
) -> str:
    """Returns one line of the log, with its blank before the line end; floats in full.

    `more` holds further figures by name.
    """
    stamp = now.strftime("%Y-%m-%d %H:%M:%S.%f")
    rest = "".join(f"train.{name} : {value!r} " for name, value in (more or {}).items())
    return (
        f"TCAPPDLL {stamp} - Epoch: {epoch} Iteration: {iteration}  rank : {rank}  "
        f"train.loss : {loss!r}  train.ips : {batch / step_s!r} imgs/s "
        f"train.total_time : {step_s!r} {rest}\n"
    )


def open_log(folder: Path) -> int:
    """Returns a descriptor that appends to the folder's step log."""
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / FILE_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def write_head(folder: Path, facts: Facts, cfg: Config, *, quiet: bool = False) -> None:
    """Begins the log, or goes on with it: the environment block, and in the file the config too.

    On standard output mmengine prints the config itself. `quiet` writes the file alone.
    """
    block = environment_block(facts)
    stamp = datetime.now().strftime("%m/%d %H:%M:%S")
    config = f"{stamp} - mmengine - INFO - Config:\n{cfg.pretty_text}\n\n"
    descriptor = open_log(folder)
    write_log(descriptor, block + config, path=folder / FILE_NAME)
    os.close(descriptor)
    if not quiet:
        write_output(block)


def write_log(descriptor: int, text: str, *, path: Path) -> None:
    """Append to the log, in one `write` unless the system takes less at a time."""
    data = text.encode()
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror}); the run stopped. Make room, then go on "
            "with --resume auto"
        ) from error


def write_output(text: str) -> None:
    """Writes to standard output, in one `write` unless the system takes less at a time."""
    data = text.encode()
    try:
        sys.stdout.flush()
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]
    except OSError as error:
        raise WriteError(
            f"standard output cannot be written ({error.strerror}); the run stopped. {FILE_NAME} "
            "holds every record: send the output to a file or /dev/null, and go on with "
            "--resume auto"
        ) from error


@HOOKS.register_module()
class PortLogHook(Hook):
    """Writes a record after each step of this rank, before a checkpoint of that step is saved.

    A run that is killed between the two repeats the step when resumed, and the log then has it
    twice; the other order would lose it. Step time runs from fetching the batch to here, so that
    validation and saving do not count.
    """

    priority = "NORMAL"
    quiet = False
    """Whether the records go to the file alone."""

    def before_train(self, runner: Runner) -> None:
        """Opens the log."""
        self.descriptor = open_log(Path(runner.work_dir))
        self.ended = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Writes the record of the step just done."""
        now = time.perf_counter()
        started = getattr(runner.train_loop, "step_started", self.ended)
        record = format_record(
            datetime.now(),
            epoch=runner.epoch,
            iteration=runner.iter,
            rank=runner.rank,
            loss=outputs["loss"].detach().item(),
            batch=len(data_batch["inputs"]),
            step_s=now - started,
            more=self.more(runner, outputs),
        )
        write_log(self.descriptor, record, path=Path(runner.work_dir) / FILE_NAME)
        if not self.quiet:
            write_output(record)
        self.ended = time.perf_counter()

    def more(self, runner: Runner, outputs: dict[str, Any]) -> dict[str, float]:
        """Returns the figures of a record beyond the loss and the time."""
        return {}

    def after_train(self, runner: Runner) -> None:
        """Closes the log; writes the peak memory of the device into mmengine's log."""
        os.close(self.descriptor)
        peak = peak_memory_mib(device_of_type(get_device()))
        if peak is not None:
            runner.logger.info(f"peak memory: {peak:.0f} MiB")
