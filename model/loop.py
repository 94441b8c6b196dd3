"""The training loop of iterations, with mmengine's name: it resumes without reading data again.

mmengine's own, resumed at step k, fetches and throws away k batches. Here the sampler is told to
start at batch k: a sample's augmentation depends on its place in the stream, so nothing is lost.
What the model draws itself (dropout) is seeded from (seed, rank, step) before each step; a step
then repeats whatever ran before it, and no generator's state has to be saved.
"""

import time
from typing import Any

import numpy as np
import torch
from mmengine.runner import IterBasedTrainLoop as _IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

from model.data.stream import InfiniteSampler
from model.errors import ConfigError
from model.registry import LOOPS


@LOOPS.register_module()
class IterBasedTrainLoop(_IterBasedTrainLoop):
    """`max_iters` steps; `step_started` is when the current one began to fetch its batch."""

    step_started: float

    def run(self) -> Any:
        """Trains, and returns the model."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        if self._iter > 0:
            self._start_data_at(self._iter)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.step_started = time.perf_counter()
            data_batch = next(self.dataloader_iterator)
            seed_step(self.runner.seed, self.runner.rank, self._iter)
            self.run_iter(data_batch)
            self._decide_current_val_interval()
            if self._validation_is_due():
                self.runner.val_loop.run()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _validation_is_due(self) -> bool:
        """Returns whether the step just done ends an interval, or the run."""
        return (
            self.runner.val_loop is not None
            and self._iter >= self.val_begin
            and (self._iter % self.val_interval == 0 or self._iter == self._max_iters)
        )

    def _start_data_at(self, step: int) -> None:
        """Begins the stream of batches at `step`."""
        sampler = self.dataloader.sampler
        if not isinstance(sampler, InfiniteSampler):
            raise ConfigError(
                f"cannot resume: the training sampler is {type(sampler).__name__}; expected "
                "InfiniteSampler, which can start in the middle of its stream"
            )
        sampler.start = step * self.dataloader.batch_size
        self.dataloader_iterator = _InfiniteDataloaderIterator(self.dataloader)


def seed_step(seed: int, rank: int, step: int) -> None:
    """Seeds torch's generators, on all devices, for one step of one rank."""
    word = np.random.SeedSequence([seed, rank, step]).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(word >> np.uint64(1)))
