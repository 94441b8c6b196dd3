"""Train a config on any device: `python -m model.train --config CONFIG [options]`.

Every run writes mmengine's logs and the step log `port.log` into `logs/<config>_<time>/`, or into
`--work-dir`. Exit status: 0 done, 1 a rank failed, 2 an error of the user's.
"""

import os
import random
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before torch is used: a checkpoint never runs code, whatever calls `torch.load`.
os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")

from mmengine.config import Config
from mmengine.registry import DefaultScope

from model import devices, options
from model.checkpoint import PortRunner, newest_whole, read_checkpoint, remove_unfinished
from model.devices import Device, find_device
from model.environment import gather_facts
from model.errors import CheckpointError, ModelError
from model.faults import FaultCall, check_ranks, parse_fault, planted
from model.hooks.port_log import write_head
from model.launch import USER_ERROR, agree, join, leave, meet, must_spawn, quit_rank, spawn
from model.pretrained import PretrainedError
from model.registry import DATASETS, SCOPE

LOGS = Path("logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a run begins: its folder, its seed, and the checkpoint it goes on from."""

    work_dir: Path
    seed: int
    resume_from: Path | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = options.parser().parse_args(argv)
    try:
        device = find_device(args.device)
        cfg = options.configured(args, device)
        faults = [parse_fault(text) for text in args.fault]
        spawning = must_spawn(args)
        check_data(cfg)
        if spawning:
            return spawn(args, argv)
        train(args, cfg, device, faults=faults)
    except (ModelError, PretrainedError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return USER_ERROR
    finally:
        leave()
    return 0


def one_line(error: Exception) -> str:
    """The message; of one that a data worker sent, the line after the worker's traceback."""
    text = str(error).strip()
    if not text.startswith("Caught "):
        return text
    return text.splitlines()[-1].partition(": ")[2]


def check_data(cfg: Config) -> None:
    """Raise DataError unless the data sets of the config are complete."""
    with DefaultScope.overwrite_default_scope(SCOPE):
        for name in ("train_dataloader", "val_dataloader"):
            if cfg.get(name) is not None:
                DATASETS.build({**cfg[name].dataset, "pipeline": [], "lazy_init": False})


def train(
    args: Namespace, cfg: Config, device: Device, *, faults: Sequence[FaultCall] = ()
) -> None:
    """Train as one rank. Faults are told on standard error alone: no log may give one away."""
    timeout_s = cfg.get("env_cfg", {}).get("dist_cfg", {}).get("timeout")
    rank, world_size = join(args.launcher, device, timeout_s=timeout_s)
    check_ranks(faults, world_size)
    start = agree(decide(args, cfg) if rank == 0 else None, world_size=world_size)
    apply(cfg, start, device, launcher=args.launcher)
    facts = gather_facts(cfg, device, launcher=args.launcher, world_size=world_size)
    if rank == 0:
        print(f"device: {device.kind} ({facts.get('device_name', 'unnamed')})", flush=True)
        remove_unfinished(start.work_dir)
        write_head(start.work_dir, facts, cfg)
        for call in faults:
            print(f"fault planted: {call}", file=sys.stderr)
    runner = PortRunner.from_cfg(cfg)
    with planted(faults, runner):
        runner.train()
    meet()


def decide(args: Namespace, cfg: Config) -> Start:
    """The folder, seed and checkpoint of a run; a damaged checkpoint is told and passed over."""
    name = Path(args.config).stem
    resume_from = None
    if args.resume not in (None, "auto"):
        resume_from = Path(args.resume)
        read_checkpoint(resume_from)
    work_dir = _work_dir(args, cfg, name)
    if args.resume == "auto":
        found = newest_whole(work_dir)
        for reason in found.damaged:
            print(f"warning: checkpoint passed over: {reason}", file=sys.stderr)
        if found.path is None:
            print(f"no checkpoint to resume in {work_dir}; starting anew", file=sys.stderr)
        resume_from = found.path
    seed = args.seed if args.seed is not None else (cfg.get("randomness") or {}).get("seed")
    if resume_from is not None:
        seed = _resumed_seed(resume_from, args.seed)
    if seed is None:
        seed = random.SystemRandom().randrange(2**31)
    return Start(work_dir=work_dir.absolute(), seed=int(seed), resume_from=resume_from)


def _work_dir(args: Namespace, cfg: Config, name: str) -> Path:
    """The option's folder, the config's, that of the checkpoint, or a new one under logs/."""
    if args.work_dir is not None:
        return Path(args.work_dir)
    if cfg.get("work_dir"):
        return Path(cfg.work_dir)
    if args.resume == "auto":
        earlier = sorted(path.parent for path in LOGS.glob(f"{name}_*/*.pth"))
        if earlier:
            return earlier[-1]
    elif args.resume is not None:
        return Path(args.resume).parent
    return LOGS / f"{name}_{time.strftime('%Y%m%d_%H%M%S')}"


def _resumed_seed(path: Path, wanted: int | None) -> Any:
    """The seed of the run that wrote the checkpoint; another one would not continue it."""
    seed = read_checkpoint(path).get("meta", {}).get("seed")
    if seed is None:
        raise CheckpointError(f"{path}: names no seed; expected a checkpoint of this project")
    if wanted is not None and wanted != seed:
        raise CheckpointError(f"{path}: is of seed {seed}, not {wanted}; leave --seed out")
    return seed


def apply(cfg: Config, start: Start, device: Device, *, launcher: str) -> None:
    """Put into the config what was decided, so that its dump tells the run."""
    cfg.work_dir = str(start.work_dir)
    cfg.randomness = {**(cfg.get("randomness") or {}), "seed": start.seed}
    if start.resume_from is not None:
        cfg.resume = True
        cfg.load_from = str(start.resume_from)
    hooks = [hook["type"] for hook in cfg.get("custom_hooks") or []]
    cfg.custom_hooks = [
        *(cfg.get("custom_hooks") or []),
        *(
            {"type": name}
            for name in ("PortLogHook", "ProgressHook", "PlainCheckpointHook")
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
