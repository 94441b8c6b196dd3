"""Short runs of one start with benign roundings: how far apart healthy runs may be."""

from __future__ import annotations

import gc
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from model.amp import AmpOptimWrapper
from model.devices import Device
from model.environment import Facts
from model.faults import FaultCall, injected
from model.hooks.progress import duration
from model.runner import PortRunner, built_from
from model.same_start.start import SameStart
from model.same_start.weights import move_by_a_rounding, move_images

Change = Callable[[nn.Module], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """Another way to compute the same: a context of torch's, and a change of the network."""

    meaning: str
    context: Callable[[], Any] | None = None
    change: Change | None = None


class QuietRunner(PortRunner):
    """A runner that does not describe the machine again; that takes a second."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Logs nothing."""


def run_perturbed(
    cfg: Config,
    count: int,
    device: Device,
    facts: Callable[[], Facts],
    *,
    faults: Sequence[FaultCall] = (),
) -> None:
    """Repeats the start `count` times, each into `perturbed_<k>` of the folder of the run.

    Every run moves the weights and the images by one unit in the last place at random; every second
    one computes in another way, too. Every rank must call it. The images matter: where a picture is
    flat, equal values meet in a pooling window, and another device's kernels break the tie.
    """
    started = time.perf_counter()
    ways = variations(device)
    for k in range(1, count + 1):
        way = ways[(k // 2 - 1) % len(ways)] if k % 2 == 0 else None
        what = f"weights and images moved by one unit in the last place, draw {k}"
        what += f"; {way.meaning}" if way else ""
        with ExitStack() as stack:
            if way is not None and way.context is not None:
                stack.enter_context(way.context())
            _run(_config(cfg, k), partial(_stated, facts, what), k, way, faults)
        gc.collect()  # ends the workers of the data loader
        _tell(k, count, what, time.perf_counter() - started)


def _stated(facts: Callable[[], Facts], what: str) -> Facts:
    return {**facts(), "perturbed": what}


def _config(cfg: Config, k: int) -> Config:
    """Returns the config of a perturbed run, which writes its step log alone."""
    found = deepcopy(cfg)
    name = f"perturbed_{k}"
    found.work_dir = str(Path(cfg.work_dir) / name)
    found.experiment_name = name
    found.log_level = "ERROR"
    found.custom_hooks = [hook for hook in cfg.custom_hooks if hook["type"] != "ProgressHook"]
    if found.get("visualizer"):
        found.visualizer = {**found.visualizer, "name": name, "vis_backends": None}
    return found


def _run(
    cfg: Config,
    facts: Callable[[], Facts],
    k: int,
    way: Variation | None,
    faults: Sequence[FaultCall],
) -> None:
    """Trains once."""
    with built_from("config", cfg):
        runner = QuietRunner.from_cfg(cfg)

    def change(network: nn.Module) -> None:
        unit = _unit(runner)
        move_by_a_rounding(network, seed=runner.seed, draw=k, unit=unit)
        move_images(network, seed=runner.seed, draw=k, unit=unit)
        if way is not None and way.change is not None:
            way.change(network)

    runner.same_start = SameStart(runner, facts, change=change, quiet=True)
    with injected(faults, runner):
        runner.train()


def _unit(runner: PortRunner) -> float | None:
    """Returns the relative rounding error of the format of autocast; None without autocast."""
    optimizer = runner.optim_wrapper
    return torch.finfo(optimizer.dtype).eps / 2 if isinstance(optimizer, AmpOptimWrapper) else None


def _tell(k: int, count: int, what: str, elapsed_s: float) -> None:
    """Says on rank 0 how far the runs are."""
    if torch.distributed.is_initialized() and torch.distributed.get_rank() != 0:
        return
    left = elapsed_s / k * (count - k)
    rest = f", about {duration(left)} left" if k < count else ""
    print(f"perturbed run {k} of {count} done ({what}){rest}", file=sys.stderr, flush=True)


def variations(device: Device) -> list[Variation]:
    """Returns the other ways to compute that a device offers, those that cost nothing first."""
    found = [Variation(meaning="images in another memory format", change=_other_format)]
    if device.kind == "cpu":
        threads = 2 if torch.get_num_threads() == 1 else 1
        meaning = f"{threads} thread{'s' if threads > 1 else ''}"
        found.append(Variation(meaning=meaning, context=partial(_threads, threads)))
        if torch.backends.mkldnn.is_available():
            found.append(Variation(meaning="convolutions without oneDNN", context=_plain))
    if device.torch_type == "cuda" and torch.backends.cudnn.is_available():
        off = partial(
            torch.backends.cudnn.flags,
            enabled=False,
            benchmark=False,
            deterministic=True,
            allow_tf32=torch.backends.cudnn.allow_tf32,
        )
        found.append(Variation(meaning="convolutions without cuDNN", context=off))
    return found


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _plain() -> Iterator[None]:
    """Turns oneDNN off."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TF32 acceleration on top of oneDNN")
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _other_format(network: nn.Module) -> None:
    """Gives the first convolution its images channels last, or first if they were last."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is not None:
        first.register_forward_pre_hook(lambda _, args: (_turned(args[0]), *args[1:]))


def _turned(x: Tensor) -> Tensor:
    last = x.dim() == 4 and not x.is_contiguous()
    wanted = torch.contiguous_format if last else torch.channels_last
    return x.contiguous(memory_format=wanted)
