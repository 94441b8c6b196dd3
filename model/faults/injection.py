"""Injects faults into a run, and removes them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from mmengine.hooks import Hook

from model.errors import ConfigError
from model.faults.context import InjectionContext
from model.faults.fault import FaultCall
from model.runner import PortRunner


class _Injector(Hook):
    """Injects faults once loop, optimizer and weights exist: after resuming, before the first step.

    It is registered after mmengine has logged the names of the hooks, so the log does not show it.
    """

    priority = "VERY_HIGH"

    def __init__(self, context: InjectionContext, calls: Sequence[FaultCall]) -> None:
        self.context = context
        self.calls = calls

    def before_train(self, runner: PortRunner) -> None:  # noqa: ARG002 - mmengine names it
        """Injects the faults of the stage 'start'."""
        for call in self.calls:
            call.inject(self.context)


@contextmanager
def injected(calls: Sequence[FaultCall], runner: PortRunner) -> Iterator[None]:
    """A context in which a training of the runner has the faults; every change is undone after it.

    The network's weights and the optimizer's state stay as the faulty run left them.
    """
    with ExitStack() as undo:
        context = InjectionContext(runner, undo)
        early = [call for call in calls if call.fault.when == "data"]
        if early:
            # The loop would build the loader in the same way, but start its workers at once.
            runner._train_dataloader = runner.build_dataloader(
                runner._train_dataloader,
                seed=runner.seed,
                diff_rank_seed=runner._randomness_cfg.get("diff_rank_seed", False),
            )
        for call in early:
            call.inject(context)
        if calls:
            injector = _Injector(context, [call for call in calls if call not in early])
            runner.register_hook(injector)
            undo.callback(runner._hooks.remove, injector)
        yield


def check_ranks(calls: Sequence[FaultCall], world_size: int) -> None:
    """Raises ConfigError for a fault that needs more processes than the run has."""
    for call in calls:
        if call.fault.ranks > world_size:
            raise ConfigError(
                f"fault {call.fault.name} does nothing in a run of {world_size} process; expected "
                f"at least {call.fault.ranks}. Use --launcher pytorch --nproc-per-node 2"
            )
