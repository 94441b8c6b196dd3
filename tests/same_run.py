"""Runs of a same start that take a second, all in one process."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import mmengine.runner.runner as mmengine_runner
import numpy as np
from fault_run import forget
from tiny_run import options

import model.train
from model.devices import find_device
from model.options import configured, parser
from model.same_start.start import SameStart

STARTS = ("start_weights", "start_images", "start_labels", "start_random")
FACT = re.compile(r"^    (\w+): (.*)$", re.MULTILINE)
RECORD = re.compile(r"Iteration: (\d+)  rank : (\d+)  (.*)$", re.MULTILINE)
FIELD = re.compile(r"train\.([\w.]+) : (\S+)")


@dataclass(frozen=True)
class Log:
    """What a step log holds: its facts, and (rank, step) -> figures by name."""

    facts: dict[str, str]
    steps: dict[tuple[int, int], dict[str, float]]

    @property
    def start(self):
        """The numbers of the fingerprints, [4, 8]."""
        return np.array([[float(word) for word in self.facts[name].split()] for name in STARTS])

    def series(self, name):
        """The figures by step, the mean over the ranks."""
        steps = sorted({step for _, step in self.steps})
        ranks = sorted({rank for rank, _ in self.steps})
        return np.array([np.mean([self.steps[r, s][name] for r in ranks]) for s in steps])


def read(folder: Path) -> Log:
    text = (folder / "port.log").read_text()
    head = text.split("-" * 60)[1]
    steps = {
        (int(m[2]), int(m[1])): {name: float(value) for name, value in FIELD.findall(m[3])}
        for m in RECORD.finditer(text)
    }
    return Log(dict(FACT.findall(head)), steps)


def argv(folder: Path, scenes: Path, *args: str, more=()) -> list[str]:
    small = [
        *(option for option in options(scenes, steps=9) if "checkpoint" not in option),
        "train_dataloader.dataset.serialize_data=False",  # it collects garbage for 0.2 s
        *more,
    ]
    given = ["--config", "ccnet_r18-d8_demo", "--device", "cpu", "--work-dir", str(folder)]
    return [*given, "--same-start", *args, "--cfg-options", *small]


def same(folder: Path, scenes: Path, *args: str, more=(), change=None, faults=()) -> Log:
    """The log of a run in `folder`, which is emptied; `change` changes the network's start."""
    shutil.rmtree(folder, ignore_errors=True)
    wanted = parser().parse_args(argv(folder, scenes, *args, more=more))
    device = find_device("cpu")
    with (
        patch.object(mmengine_runner, "collect_env", dict),  # asks the compiler for its version
        patch.object(model.train, "SameStart", partial(SameStart, change=change)),
    ):
        try:
            model.train.train(wanted, configured(wanted, device), device, faults=faults)
        finally:
            forget()
    return read(folder)
