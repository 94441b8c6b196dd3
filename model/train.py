"""Train a config on any device: `python -m model.train CONFIG [options]`, or `--config CONFIG`.

Every run writes mmengine's logs and the step log `port.log` into `logs/<config>_<time>/`, or into
`--work-dir`. Exit status: 0 done, 1 a rank failed, 2 an error of the user's.
"""

import random
import re
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from model import devices, options
from model.checkpoint import newest_whole, read_checkpoint, read_resumable, remove_unfinished
from model.command import ended, read_tensors_only
from model.config_errors import check_classes, check_flips, check_network
from model.data.concat import without_pipeline
from model.devices import Device, find_device
from model.environment import Facts, gather_facts
from model.errors import CheckpointError
from model.faults import FaultCall, check_ranks, injected, parse_fault
from model.foreign import tell
from model.hooks.port_log import write_head
from model.launch import agree, join, leave, meet, must_spawn, quit_rank, spawn
from model.registry import DATASETS, SCOPE
from model.runner import PortRunner, built_from
from model.same_start.kernels import exact_kernels, facts_in_force
from model.same_start.perturb import run_perturbed
from model.same_start.plan import LOG_HOOK, check_alone, check_folders
from model.same_start.start import SameStart
from model.threads import cpus, settle, waiting

LOGS = Path("logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a run begins: its folder, its seed, and the checkpoint it goes on from."""

    work_dir: Path
    seed: int
    resume_from: Path | None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = options.parser().parse_args(argv)
    read_tensors_only()  # as a function of another program, too
    try:
        return ended(lambda: command(args, argv))
    finally:
        leave()


def command(args: Namespace, argv: Sequence[str]) -> int:
    """Checks the options, then trains or starts the ranks; returns the exit status."""
    options.check_config(args)
    device = find_device(args.device)
    check_alone(args)
    cfg = options.configured(args, device)
    faults = [parse_fault(text) for text in args.fault]
    spawning = must_spawn(args)
    check_data(cfg)
    with built_from("model", cfg):
        check_network(cfg)
    if spawning:
        return spawn(args, argv)
    settle()
    train(args, cfg, device, faults=faults)
    return 0


def check_data(cfg: Config) -> None:
    """Raises DataError unless the data sets of the config are complete."""
    with DefaultScope.overwrite_default_scope(SCOPE):
        for name in ("train_dataloader", "val_dataloader"):
            if cfg.get(name) is None:
                continue
            with built_from(f"{name}.dataset", cfg):
                data = DATASETS.build(without_pipeline(cfg[name].dataset))
            check_classes(cfg, name, len(data.metainfo.get("classes") or ()))
            check_flips(cfg[name].dataset, f"{name}.dataset", data.metainfo)


def train(
    args: Namespace, cfg: Config, device: Device, *, faults: Sequence[FaultCall] = ()
) -> None:
    """Trains as one rank. Faults are told on standard error alone: no log may give one away."""
    timeout_s = cfg.get("env_cfg", {}).get("dist_cfg", {}).get("timeout")
    rank, world_size = join(
        args.launcher,
        device,
        timeout_s=timeout_s,
        rendezvous_timeout_s=args.rendezvous_timeout,
    )
    check_ranks(faults, world_size)
    start = agree(decide(args, cfg) if rank == 0 else None, world_size=world_size)
    apply(cfg, start, device, launcher=args.launcher)
    with exact_kernels(cfg) if args.same_start else nullcontext():
        facts = _facts(args, cfg, device, world_size)
        if rank == 0:
            _tell(start.work_dir, facts(), device, faults)
            if not args.same_start:  # else the head follows when the weights are there
                write_head(start.work_dir, facts(), cfg)
        with built_from("config", cfg):
            runner = PortRunner.from_cfg(cfg)
        if args.same_start:
            runner.same_start = SameStart(runner, facts)
        with injected(faults, runner):
            runner.train()
        del runner
        if args.perturb:
            run_perturbed(cfg, args.perturb, device, facts, faults=faults)
    meet()


def _facts(args: Namespace, cfg: Config, device: Device, world_size: int) -> Callable[[], Facts]:
    """Returns a function that gathers the facts of the run as they are when it is called."""

    def gather() -> Facts:
        facts = gather_facts(cfg, device, launcher=args.launcher, world_size=world_size)
        return {**facts, **(facts_in_force(cfg.optim_wrapper, device) if args.same_start else {})}

    return gather


def _tell(folder: Path, facts: Facts, device: Device, faults: Sequence[FaultCall]) -> None:
    """Says on what the run trains, and which faults it has; clears what a killed run left."""
    name = facts.get("device_name", "unnamed")
    threads = f"{torch.get_num_threads()} threads on {cpus()} CPUs{waiting()}"
    print(f"device: {device.kind} ({name}); {threads}", flush=True)
    remove_unfinished(folder)
    for call in faults:
        print(f"fault injected: {call}", file=sys.stderr)


def decide(args: Namespace, cfg: Config) -> Start:
    """Returns the folder, seed and checkpoint of a run; reports and skips a damaged checkpoint."""
    name = Path(args.config).stem
    resume_from = None
    if args.resume not in (None, "auto"):
        resume_from = Path(args.resume)
    work_dir = _work_dir(args, cfg, name)
    if args.same_start:
        check_folders(work_dir, args.perturb or 0)
    if args.resume == "auto":
        found = newest_whole(work_dir)
        for reason in found.damaged:
            print(f"warning: checkpoint passed over: {reason}", file=sys.stderr)
        if found.path is None:
            print(f"no checkpoint to resume in {work_dir}; starting anew", file=sys.stderr)
        resume_from = found.path
    elif resume_from is None and cfg.get("load_from") and Path(cfg.load_from).exists():
        tell(read_checkpoint(Path(cfg.load_from)), cfg.load_from)
    seed = args.seed if args.seed is not None else (cfg.get("randomness") or {}).get("seed")
    if resume_from is not None:
        checkpoint = read_resumable(resume_from)
        tell(checkpoint, resume_from)
        seed = _resumed_seed(resume_from, checkpoint, args.seed)
        _check_precision(resume_from, checkpoint, cfg)
    if seed is None:
        seed = random.SystemRandom().randrange(2**31)
    return Start(work_dir=work_dir.absolute(), seed=int(seed), resume_from=resume_from)


def _work_dir(args: Namespace, cfg: Config, name: str) -> Path:
    """Returns the option's folder, the config's, the checkpoint's, or a new one under logs/."""
    if args.work_dir is not None:
        return Path(args.work_dir)
    if cfg.get("work_dir"):
        return Path(cfg.work_dir)
    if args.resume == "auto":
        if earlier := _earlier(name):
            return earlier[-1]
    elif args.resume is not None:
        return Path(args.resume).parent
    return LOGS / f"{name}_{time.strftime('%Y%m%d_%H%M%S')}"


def _earlier(name: str) -> list[Path]:
    """Returns the folders under logs/ of earlier runs of this config with a checkpoint, sorted."""
    made = re.compile(rf"{re.escape(name)}_\d{{8}}_\d{{6}}")
    folders = LOGS.iterdir() if LOGS.is_dir() else ()
    return sorted(path for path in folders if made.fullmatch(path.name) and any(path.glob("*.pth")))


def _check_precision(path: Path, checkpoint: Mapping[str, Any], cfg: Config) -> None:
    """Raises CheckpointError where the run that wrote the checkpoint had another precision."""
    mixed = "loss_scaler" in (checkpoint.get("optimizer") or {})
    wanted = (cfg.get("optim_wrapper") or {}).get("type") == "AmpOptimWrapper"
    if mixed and not wanted:
        raise CheckpointError(
            f"{path}: is of a run in mixed precision, and this one would go on in float32; "
            "expected --amp. To start another run from its weights: --cfg-options load_from=FILE"
        )
    if wanted and not mixed:
        raise CheckpointError(
            f"{path}: is of a run in float32, and this one would go on in mixed precision; leave "
            "--amp out. To start another run from its weights: --cfg-options load_from=FILE"
        )


def _resumed_seed(path: Path, checkpoint: Mapping[str, Any], wanted: int | None) -> int:
    """Returns the seed of the run that wrote the checkpoint; another one would not continue it."""
    seed = checkpoint["meta"].get("seed")
    if not isinstance(seed, int):
        raise CheckpointError(f"{path}: names no seed; expected a checkpoint of this project")
    if wanted is not None and wanted != seed:
        raise CheckpointError(f"{path}: is of seed {seed}, not {wanted}; leave --seed out")
    return seed


def apply(cfg: Config, start: Start, device: Device, *, launcher: str) -> None:
    """Puts into the config what was decided, so that its dump describes the run."""
    cfg.work_dir = str(start.work_dir)
    cfg.randomness = {**(cfg.get("randomness") or {}), "seed": start.seed}
    if start.resume_from is not None:
        cfg.resume = True
        cfg.load_from = str(start.resume_from)
    log = LOG_HOOK if cfg.get("same_start") else "PortLogHook"
    hooks = [hook["type"] for hook in cfg.get("custom_hooks") or []]
    cfg.custom_hooks = [
        *(cfg.get("custom_hooks") or []),
        *(
            {"type": name}
            for name in (log, "ProgressHook", "PlainCheckpointHook")
            if name not in hooks
        ),
    ]
    if launcher == "none":
        (cfg.get("env_cfg") or {}).pop("dist_cfg", None)  # a backend that is not used
    else:
        cfg.setdefault("env_cfg", {}).setdefault("dist_cfg", {})
        cfg.env_cfg.dist_cfg.backend = devices.backend_of(device)
        cfg.model_wrapper_cfg = {
            "type": "MMDistributedDataParallel",
            "device_ids": None,  # the preprocessor moves the batch; DDP need not know the device
            "broadcast_buffers": False,
            "find_unused_parameters": cfg.get("find_unused_parameters", False),
        }


if __name__ == "__main__":
    quit_rank(main())
