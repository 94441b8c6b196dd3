"""Short runs of the training with faults, all in one process; as a program, one rank of two.

`python tests/fault_run.py SCENES FOLDER FAULT...` runs healthily and with each fault, and leaves in
FOLDER what came of it on this rank (`rank0.pt`).
"""

import copy
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import mmengine.runner.runner as mmengine_runner
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from tiny_run import losses, options

import model.train
from model.devices import find_device
from model.faults import parse_fault
from model.launch import leave, quit_rank
from model.options import configured, parser
from model.runner import PortRunner
from model.visualization import SegLocalVisualizer

STEPS = 5


class Kept(PortRunner):
    """A runner that can be looked at after the command is done."""

    last = None

    def train(self):
        Kept.last = self
        return super().train()


@dataclass(frozen=True)
class Outcome:
    """What a run leaves: its weights, (rank, step) -> loss, records of mmengine, and its logs."""

    weights: dict
    losses: dict
    scalars: list
    logs: dict


def run(folder: Path, scenes: Path, faults=(), *args: str, steps=STEPS, more=()) -> Outcome:
    """Train in `folder`, which is emptied: one name for all runs gives them one config."""
    if not {"--resume", "--launcher"} & set(args):
        shutil.rmtree(folder, ignore_errors=True)
    small = [
        *options(scenes, steps=steps),
        "train_dataloader.dataset.serialize_data=False",  # it collects garbage for 0.2 s
        "default_hooks.checkpoint.interval=1000",
        "default_hooks.checkpoint.save_last=False",
        "default_hooks.logger.interval=1",
        *more,
    ]
    argv = ["--config", "ccnet_r18-d8_demo", "--device", "cpu", "--no-validate"]
    named = [word for fault in faults for word in ("--fault", fault)]
    args = parser().parse_args(
        [*argv, "--work-dir", str(folder), *named, *args, "--cfg-options", *small]
    )
    device = find_device("cpu")
    mmengine_runner.collect_env = dict  # asks the compiler for its version at every start
    model.train.PortRunner = Kept
    try:
        calls = [parse_fault(text) for text in args.fault]
        cfg = copy.deepcopy(read_once(args.launcher, tuple(small)))
        model.train.train(args, cfg, device, faults=calls)
        weights = {k: v.clone() for k, v in Kept.last.model.state_dict().items()}
    finally:
        model.train.PortRunner = PortRunner
        Kept.last = None
        forget()
    return Outcome(weights, losses(folder), *read(folder))


@lru_cache(maxsize=4)
def read_once(launcher: str, cfg_options: tuple[str, ...]):
    """The config, which takes a third of a short run to read."""
    argv = ["--config", "ccnet_r18-d8_demo", "--no-validate", "--launcher", launcher]
    args = parser().parse_args([*argv, "--cfg-options", *cfg_options])
    return configured(args, find_device("cpu"))


def read(folder: Path):
    """The records that mmengine wrote, without the times in them, and all text files by name."""
    logs = {
        re.sub(r"\d{8}_\d{6}", "TIME", str(path.relative_to(folder))): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pth"
    }
    lines = [
        line for name in logs if name.endswith("scalars.json") for line in logs[name].split("\n")
    ]
    scalars = [json.loads(line) for line in lines if line]
    return [{k: v for k, v in s.items() if "time" not in k} for s in scalars], logs


def forget() -> None:
    """Close what mmengine keeps by name for the life of a process."""
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            handler.close()
    for kind in (DefaultScope, MMLogger, MessageHub, Visualizer, SegLocalVisualizer):
        for name in [name for name in kind._instance_dict if name != "mmengine"]:
            del kind._instance_dict[name]


def main() -> None:
    scenes, folder, *faults = sys.argv[1:]
    still = ("model.decode_head.dropout_ratio=0", "model.auxiliary_head.dropout_ratio=0")
    found, rank = {}, int(os.environ["RANK"])
    for fault in ["", *faults]:
        outcome = run(
            Path(folder) / (fault or "healthy"), Path(scenes), [fault] if fault else [],
            "--launcher", "pytorch", steps=3, more=(*still, "train_dataloader.batch_size=2"),
        )  # fmt: skip
        found[fault] = (outcome.weights, outcome.losses)
        model.train.join = lambda *_, **__: (rank, 2)  # the group of the first run serves all
    leave()
    torch.save(found, Path(folder) / f"rank{rank}.pt")


if __name__ == "__main__":
    main()
    quit_rank(0)
