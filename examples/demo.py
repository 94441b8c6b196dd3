"""The main job from end to end: `python examples/demo.py [OPTIONS OF THE TRAINING]`.

Makes synthetic street scenes, trains a small CCNet with 3 seeds on the best device here, judges the
runs against their recorded baseline, and judges the published port. It says what it does, how long
it takes, and where the reports are. The exit status is the verdict on the trained runs: 0 pass, 1
fail, 2 an error, 3 inconclusive, 4 incomparable.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = Path("logs/demo")
OUTPUT = Path("logs/demo_output")
"""What the trainings print; not beside their logs, which a folder of runs holds alone."""
CONFIG = "ccnet_r18-d8_demo"
SEEDS = (101, 102, 103)
STEPS = 200
"""Of the config, unless the options say otherwise; the log has the number."""
LOOK_S = 1.0
"""Seconds between two looks at the log of a training."""
TELL_S = 20.0
"""Seconds between two lines on how far it is."""
WARM = 3
"""Steps of a run that are no measure of the others: the libraries warm up."""
JUDGE = ["compare", CONFIG, str(LOGS), "--rule", "equivalence:margin=0.1"]


def say(text: str) -> None:
    """A line for whoever watches."""
    print(f"demo: {text}", flush=True)


def duration(seconds: float) -> str:
    """A time as one says it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def steps(log: Path) -> tuple[int, int]:
    """The steps that a training has logged so far, and those that it will do."""
    text = log.read_bytes() if log.exists() else b""
    planned = re.search(rb"planned_steps: (\d+)", text)
    return text.count(b"TCAPPDLL "), int(planned[1]) if planned else STEPS


class Estimate:
    """How long the trainings still take, from the steps and from whole runs measured so far."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.step_s = 0.0
        self.run_s = 0.0

    def left(self, run: int, done: int, planned: int) -> float:
        """Seconds left when `done` of the `planned` steps of run number `run`, from 0, are done."""
        rest = self.step_s * (planned - done)
        whole = max(self.run_s, self.step_s * planned)
        return rest + whole * (self.runs - run - 1)


def train(run: int, seed: int, options: Sequence[str], estimate: Estimate) -> int:
    """Train one seed, saying how far it is; the exit status."""
    folder = LOGS / f"seed_{seed}"
    folder.mkdir(parents=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    printed = OUTPUT / f"seed_{seed}.txt"
    command = ["-m", "model.train", "--config", CONFIG, "--work-dir", str(folder)]
    begun = time.monotonic()
    warm_at, warm_steps, told_at = 0.0, 0, begun
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--seed", str(seed), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            time.sleep(LOOK_S)
            (done, planned), now = steps(folder / "port.log"), time.monotonic()
            if done >= WARM and not warm_at:
                warm_at, told_at, warm_steps = now, 0.0, done
            elif warm_at and done > warm_steps:
                estimate.step_s = (now - warm_at) / (done - warm_steps)
            if estimate.step_s and done < planned and now - told_at >= TELL_S:
                told_at = now
                left = duration(estimate.left(run, done, planned))
                say(f"seed {seed}: {done} of {planned} steps; about {left} left for all trainings")
    if process.returncode:
        last = printed.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
        sys.stderr.write("\n".join([*last, f"demo: the training ended; see {printed}", ""]))
        return process.returncode
    estimate.run_s = time.monotonic() - begun
    rest = estimate.run_s * (len(SEEDS) - run - 1)
    more = f"; about {duration(rest)} left for the others" if rest else ""
    say(f"seed {seed}: trained in {duration(estimate.run_s)}{more}")
    return 0


def harness(*arguments: str) -> int:
    """Run a command of the harness; the exit status."""
    say("harness " + " ".join(arguments))
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, check=False).returncode


def main(options: Sequence[str]) -> int:
    """Train, judge, and say where the reports are; the exit status."""
    say(f"trains a small CCNet with {len(SEEDS)} seeds of {STEPS} steps, and judges the runs")
    say("an idle machine with two cores needs about three minutes; an estimate follows")
    shutil.rmtree(LOGS, ignore_errors=True)
    scenes = [sys.executable, "-m", "model.data.synthetic", "data/synthetic"]
    if status := subprocess.run(scenes, check=False).returncode:
        return status
    estimate = Estimate(len(SEEDS))
    for run, seed in enumerate(SEEDS):
        if status := train(run, seed, options, estimate):
            return status
    status = harness(*JUDGE)
    harness("check", "demo.toml", "--report", "reports")
    say("the first port is the one that was trained here; the second is the published one,")
    say("which compares 4 devices with 1 and is not the same experiment")
    say("reports: reports/index.html lists both; the logs are in logs/demo")
    return status


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
