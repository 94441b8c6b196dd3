"""What a process of the corpus does: one training, on one thread unless its setting says other."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

import model.train
from benchmarks.defects.variations import VARIATIONS


def run(variation: str, ranks: int, arguments: list[str]) -> int:
    """Trains with one thread a rank; the exit status."""
    if ranks > 1:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "model.train", *arguments]
        return subprocess.run(command, check=False, env=environment).returncode
    torch.set_num_threads(1)
    with VARIATIONS[variation]():
        return model.train.main(arguments)
