"""The injection context: a runner, its parts, and a way to undo every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

from mmengine.dist import get_dist_info
from mmengine.model import is_model_wrapper
from torch import Tensor, nn
from torch.utils.data import DataLoader

from model.runner import PortRunner

M = TypeVar("M", bound=nn.Module)
_ABSENT = object()


class InjectionContext:
    """A run about to start. Changes by `patch` and the hooks are undone when `undo` closes.

    For faults of the stage 'data', the runner has only its `loader`, and no loop or optimizer yet.
    """

    def __init__(self, runner: PortRunner, undo: ExitStack) -> None:
        self.runner = runner
        self.undo = undo
        self.rank, self.world_size = get_dist_info()

    @property
    def model(self) -> Any:
        """The network, without the wrapper of a run of several processes."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    @property
    def loader(self) -> DataLoader[Any]:
        """The loader of training data; its workers have not started."""
        loader = self.runner._train_dataloader
        assert isinstance(loader, DataLoader)
        return loader

    @property
    def optimizer(self) -> Any:
        """The optimizer in its wrapper."""
        return self.runner.optim_wrapper.optimizer

    @property
    def step(self) -> int:
        """The number of the current step, from 0."""
        return int(self.runner.iter)

    @property
    def update(self) -> int:
        """The number of the update to which the step belongs; summed gradients join steps."""
        return self.step // int(getattr(self.runner.optim_wrapper, "_accumulative_counts", 1))

    @property
    def fresh(self) -> bool:
        """Whether the run starts at step 0. A resumed run takes its state from a checkpoint."""
        return self.step == 0

    def modules(self, kind: type[M]) -> Iterator[M]:
        """Returns the network's modules of a kind, in the order in which they are registered."""
        return (module for module in self.model.modules() if isinstance(module, kind))

    def parameters(self) -> list[nn.Parameter]:
        """Returns the parameters that are trained."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def patch(self, owner: Any, name: str, value: Any) -> None:
        """Sets an attribute of an object or a module until the end of the run."""
        before = vars(owner).get(name, _ABSENT)
        if before is _ABSENT:
            self.undo.callback(delattr, owner, name)
        else:
            self.undo.callback(setattr, owner, name, before)
        setattr(owner, name, value)

    def before_update(self, act: Callable[[], None]) -> None:
        """Calls `act` before each step of the optimizer; gradients are reduced and unscaled."""
        handle = self.optimizer.register_step_pre_hook(lambda *_: act())
        self.undo.callback(handle.remove)

    def after_update(self, act: Callable[[], None]) -> None:
        """Calls `act` after each step of the optimizer."""
        handle = self.optimizer.register_step_post_hook(lambda *_: act())
        self.undo.callback(handle.remove)

    def change_gradients(self, change: Callable[[Tensor], Tensor]) -> None:
        """Replaces the gradient of every parameter, in each process before any reduction."""
        for parameter in self.parameters():
            self.undo.callback(parameter.register_hook(change).remove)
