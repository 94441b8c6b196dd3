"""What the attention is worth where a far-off sign decides a class: mIoU by recurrence and seed.

    python -m benchmarks.cues [--seeds 5] [--recurrences 0 1 2] [--out logs/cues]

Makes the scenes with cues, trains their config by the training command, one run at a time on one
thread, and prints mIoU of the validation scenes after the last step: mean and standard deviation
(n - 1) over the seeds 1, 2, ..., and before that every run with its processor seconds and its loss
at each sixth of the steps.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "ccnet_r18-d4_cues"
SCENES = ("--kind", "cues", "--train", "256", "--val", "32", "--size", "64x96")
MEAN_IOU = re.compile(r"mIoU: (\d+\.\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run: mIoU in percent, processor time, logged training losses (means of 10 steps)."""

    mean_iou: float
    cpu_s: float
    losses: tuple[float, ...]


def call(*command: str) -> str:
    """The standard output of a command run from the repository's root on one thread."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, check=True, env={**os.environ, **one},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout


def children_cpu_s() -> float:
    """Processor time of all finished child processes: on one thread, what an idle core takes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def train(recurrence: int, seed: int, out: Path) -> Outcome:
    """The outcome of one run."""
    before_s = children_cpu_s()
    text = call(
        "-m", "model.train", "--config", NAME, "--device", "cpu", "--seed", str(seed),
        "--work-dir", str(out / f"r{recurrence}_seed_{seed}"),
        "--cfg-options", f"model.decode_head.recurrence={recurrence}",
    )  # fmt: skip
    losses = re.findall(r"Iter\(train\).*? loss: (\d+\.\d+)", text)
    return Outcome(
        mean_iou=float(MEAN_IOU.findall(text)[-1]),
        cpu_s=children_cpu_s() - before_s,
        losses=tuple(map(float, losses)),
    )


def describe(outcome: Outcome) -> str:
    """A run in a line: mIoU, seconds, and six losses spread evenly over it."""
    count = len(outcome.losses)
    shown = [outcome.losses[(i + 1) * count // 6 - 1] for i in range(6)]
    curve = " ".join(f"{loss:.2f}" for loss in shown)
    return f"{outcome.mean_iou:6.2f}  {outcome.cpu_s:5.1f} s  loss {curve}"


def main() -> None:
    """Make the scenes, train, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument("--recurrences", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("logs/cues"))
    args = parser.parse_args()
    call("-m", "model.data.synthetic", "data/cues", *SCENES)
    rows = []
    for recurrence in args.recurrences:
        outcomes = []
        for seed in range(1, args.seeds + 1):
            outcomes.append(train(recurrence, seed, args.out))
            print(f"R={recurrence} seed {seed}: {describe(outcomes[-1])}", flush=True)
        scores = [outcome.mean_iou for outcome in outcomes]
        spread = statistics.stdev(scores) if len(scores) > 1 else float("nan")
        rows.append(f"| {recurrence} | {statistics.fmean(scores):.2f} | {spread:.2f} |")
    print("\n| recurrence | mIoU | standard deviation |\n|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
