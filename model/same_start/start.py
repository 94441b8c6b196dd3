"""The state of a same start while it trains: its random numbers, its facts, its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from model.environment import Facts
from model.same_start.batches import (
    BATCHES,
    Samples,
    first_samples,
    order_terms,
    preprocessor_terms,
)
from model.same_start.draws import HostDraws, draw_on_host, random_modules
from model.same_start.fingerprint import Sums, fingerprint, terms
from model.same_start.norms import Norms, buffers_of, gradient_norms, norms, trained
from model.same_start.weights import weight_terms

DRAWN = 64
"""Numbers of a module and a sample that enter the fingerprint."""


class SameStart:
    """What a runner of a same start needs beyond mmengine; `SameStartLogHook` calls it.

    `facts` returns the facts of the environment when the training begins. `change` moves the
    weights before they are fingerprinted, for a perturbed run.
    """

    def __init__(
        self,
        runner: Runner,
        facts: Callable[[], Facts],
        *,
        change: Callable[[nn.Module], None] | None = None,
        quiet: bool = False,
    ) -> None:
        self.runner = runner
        self.environment = facts
        self.change = change
        self.quiet = quiet
        self.of_update: dict[str, Norms] = {}
        self.draws = HostDraws(seed=runner.seed, rank=runner.rank, world_size=runner.world_size)
        draw_on_host(self.network, self.draws)

    @property
    def network(self) -> Any:
        """The network, without the wrapper of a run of several processes."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def begin(self) -> Facts:
        """Changes the weights where a change was given, and returns the facts of the start.

        Every rank must call it: the fingerprint is of the samples of all ranks.
        """
        if self.change is not None:
            self.change(self.network)
        self._watch_gradients()
        return {**self.environment(), **self.fingerprints()}

    def fingerprints(self) -> Facts:
        """Returns the facts that tell this start from another."""
        loader = self.runner.train_dataloader
        assert isinstance(loader, DataLoader)
        samples = first_samples(loader, rank=self.runner.rank, world_size=self.runner.world_size)
        images = [
            *(added for _, added in samples.images),
            *preprocessor_terms(self.network.data_preprocessor),
        ]
        return {
            "same_start": "True",
            "start_weights": fingerprint(weight_terms(self.network)),
            "start_images": fingerprint(images),
            "start_labels": fingerprint(added for _, added in samples.labels),
            "start_random": fingerprint(self._random_terms(samples)),
        }

    def _random_terms(self, samples: Samples) -> Iterator[Sums]:
        """Returns the terms of the order, and of the first masks of each module."""
        yield order_terms(samples)
        batch = self.runner.train_dataloader.batch_size or 1
        for module in random_modules(self.network):
            for place in range(BATCHES * batch * self.runner.world_size):
                drawn = self.draws.at(module.name, place, count=DRAWN)
                yield terms(f"{module.name} {module.stated_p!r} {place}", drawn)

    def _watch_gradients(self) -> None:
        """Measures the gradients, reduced and not yet clipped, and the update."""
        wrapper: Any = self.runner.optim_wrapper
        step = wrapper.step

        def measure(**options: Any) -> None:
            parameters = trained(wrapper)
            before = [parameter.detach().clone() for parameter in parameters]
            gradients = gradient_norms(wrapper)
            step(**options)
            moved = (now.detach() - was for now, was in zip(parameters, before, strict=True))
            self.of_update = {"grad": gradients, "update": norms(moved)}

        measured: Any = measure
        measured._with_counter = True  # mmengine's schedulers look for their mark on `step`
        wrapper.step = measured

    def begin_step(self, step: int) -> None:
        """Begins the random numbers of a step."""
        self.draws.begin(step)
        self.of_update = {}

    def figures(self, outputs: dict[str, Any]) -> dict[str, float]:
        """Returns what a record holds beyond the loss, by name: its parts, and norms.

        A step that only sums gradients has no norms of gradients and update. The rate is that of
        the update done.
        """
        parts = {
            name: float(value.detach().item())
            for name, value in outputs.items()
            if name != "loss" and "loss" in name
        }
        measured = {
            **self.of_update,
            "weight": norms(self.network.parameters()),
            "buffer": norms(buffers_of(self.network)),
        }
        return {
            **parts,
            "lr": float(self.runner.optim_wrapper.get_lr()["lr"][0]),
            **{f"{name}_norm": found.whole for name, found in measured.items()},
            **{f"{name}_norm_geometric": found.geometric for name, found in measured.items()},
        }
