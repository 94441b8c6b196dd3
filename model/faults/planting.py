"""Planting faults into a run, and taking them out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from mmengine.hooks import Hook

from model.errors import ConfigError
from model.faults.fault import FaultCall
from model.faults.site import Site
from model.runner import PortRunner


class _Planter(Hook):
    """Plants when loop, optimizer and weights are there: after resuming, before the first step.

    It joins the runner after mmengine has logged the names of the hooks.
    """

    priority = "VERY_HIGH"

    def __init__(self, site: Site, calls: Sequence[FaultCall]) -> None:
        self.site = site
        self.calls = calls

    def before_train(self, runner: PortRunner) -> None:  # noqa: ARG002 - mmengine names it
        """Plant."""
        for call in self.calls:
            call.plant(self.site)


@contextmanager
def planted(calls: Sequence[FaultCall], runner: PortRunner) -> Iterator[None]:
    """Train the runner within this block: it has the faults, and everything is put back after.

    The network's weights and the optimizer's state stay as the faulty run left them.
    """
    with ExitStack() as undo:
        site = Site(runner, undo)
        early = [call for call in calls if call.fault.when == "data"]
        if early:
            # The loop would build the loader in the same way, but start its workers at once.
            runner._train_dataloader = runner.build_dataloader(
                runner._train_dataloader,
                seed=runner.seed,
                diff_rank_seed=runner._randomness_cfg.get("diff_rank_seed", False),
            )
        for call in early:
            call.plant(site)
        if calls:
            planter = _Planter(site, [call for call in calls if call not in early])
            runner.register_hook(planter)
            undo.callback(runner._hooks.remove, planter)
        yield


def check_ranks(calls: Sequence[FaultCall], world_size: int) -> None:
    """Raise ConfigError for a fault that needs more processes than there are."""
    for call in calls:
        if call.fault.ranks > world_size:
            raise ConfigError(
                f"fault {call.fault.name} does nothing in a run of {world_size} process; expected "
                f"at least {call.fault.ranks}. Use --launcher pytorch --nproc-per-node 2"
            )
