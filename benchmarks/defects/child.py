"""What a process of the corpus does: one training, on one thread unless its setting says other.

python -m benchmarks.defects.child --setting NAME --logs DIR --variation V --ranks N -- OPTIONS
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import torch

import model.train
from benchmarks.defects.training import log_of, name_of_perturbed
from benchmarks.defects.variations import VARIATIONS

CRASHED = 70
"""The status of a training that an exception ended."""


def run(variation: str, ranks: int, arguments: list[str]) -> int:
    """Trains with one thread a rank; the exit status."""
    if ranks > 1:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "model.train", *arguments]
        return subprocess.run(command, check=False, env=environment).returncode
    torch.set_num_threads(1)
    with VARIATIONS[variation]():
        return model.train.main(arguments)


def keep_perturbed(setting: str, folder: Path, work_dir: Path) -> None:
    """Keeps the logs of perturbed runs, which the training wrote into its folder."""
    seed = int(work_dir.stem)
    for perturbed in work_dir.glob("perturbed_*"):
        kept = log_of(folder, name_of_perturbed(setting, perturbed.name), seed)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(perturbed / "port.log", kept)


def main() -> int:
    """Trains, and keeps the logs only; the exit status."""
    parser = argparse.ArgumentParser()
    for name in ("setting", "logs", "variation"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("options", nargs="+")
    args = parser.parse_args()
    work_dir = Path(args.options[args.options.index("--work-dir") + 1])
    try:
        status = run(args.variation, args.ranks, args.options)
    except BaseException:
        traceback.print_exc()
        status = CRASHED
    if status == 0:
        keep_perturbed(args.setting, Path(args.logs), work_dir)
    shutil.rmtree(work_dir, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
