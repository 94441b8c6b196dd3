"""A demonstration from end to end: `python examples/demo.py [OPTIONS OF THE TRAINING]`.

Makes synthetic street scenes, trains a small CCNet with 3 seeds on the best available device,
judges the runs against their recorded baseline, and judges the published port. It prints its
progress, the time left, and where the reports are. The exit status is the verdict on the trained
runs: 0 pass, 1 fail, 2 an error, 3 inconclusive, 4 incomparable.
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
"""The output of the trainings. A folder of runs may hold only their logs, so this is elsewhere."""
CONFIG = "ccnet_r18-d8_demo"
SEEDS = (101, 102, 103)
STEPS = 200
"""Steps of the config; options may change them, and the log states the number."""
POLL_S = 1.0
"""Seconds between two reads of a training's log."""
REPORT_S = 20.0
"""Seconds between two lines of progress."""
WARM = 3
"""First steps of a run, left out of the estimate because the libraries are warming up."""
JUDGE = ["compare", CONFIG, str(LOGS), "--rule", "equivalence:margin=0.1"]


def say(text: str) -> None:
    """Prints a line of progress."""
    print(f"demo: {text}", flush=True)


def duration(seconds: float) -> str:
    """Returns a time in seconds, or in minutes from 90 s on."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def steps(log: Path) -> tuple[int, int]:
    """Returns the number of steps that a training has logged, and the number that it will log."""
    text = log.read_bytes() if log.exists() else b""
    planned = re.search(rb"planned_steps: (\d+)", text)
    return text.count(b"TCAPPDLL "), int(planned[1]) if planned else STEPS


class Estimate:
    """Estimates the time left for the trainings from the steps and runs measured so far."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.step_s = 0.0
        self.run_s = 0.0

    def left(self, run: int, done: int, planned: int) -> float:
        """Returns the seconds left after `done` of the `planned` steps of run `run`, from 0."""
        rest = self.step_s * (planned - done)
        whole = max(self.run_s, self.step_s * planned)
        return rest + whole * (self.runs - run - 1)


def train(run: int, seed: int, options: Sequence[str], estimate: Estimate) -> int:
    """Trains one seed, prints its progress, and returns the exit status."""
    folder = LOGS / f"seed_{seed}"
    folder.mkdir(parents=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    printed = OUTPUT / f"seed_{seed}.txt"
    command = ["-m", "model.train", "--config", CONFIG, "--work-dir", str(folder)]
    begun = time.monotonic()
    warm_at, warm_steps, reported_at = 0.0, 0, begun
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--seed", str(seed), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            time.sleep(POLL_S)
            (done, planned), now = steps(folder / "port.log"), time.monotonic()
            if done >= WARM and not warm_at:
                warm_at, reported_at, warm_steps = now, 0.0, done
            elif warm_at and done > warm_steps:
                estimate.step_s = (now - warm_at) / (done - warm_steps)
            if estimate.step_s and done < planned and now - reported_at >= REPORT_S:
                reported_at = now
                left = duration(estimate.left(run, done, planned))
                say(f"seed {seed}: {done} of {planned} steps; about {left} left for all trainings")
    if process.returncode:
        last = printed.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
        sys.stderr.write("\n".join([*last, f"demo: the training failed; see {printed}", ""]))
        return process.returncode
    estimate.run_s = time.monotonic() - begun
    rest = estimate.run_s * (len(SEEDS) - run - 1)
    more = f"; about {duration(rest)} left for the others" if rest else ""
    say(f"seed {seed}: trained in {duration(estimate.run_s)}{more}")
    return 0


def harness(*arguments: str) -> int:
    """Runs a command of the harness, and returns the exit status."""
    say("harness " + " ".join(arguments))
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, check=False).returncode


def main(options: Sequence[str]) -> int:
    """Trains, judges, prints where the reports are, and returns the exit status."""
    say(f"trains a small CCNet with {len(SEEDS)} seeds for {STEPS} steps, and judges the runs")
    say("this takes about three minutes on an idle machine with two cores; an estimate follows")
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
    say("the first port was trained here; the second is the published port, which compares")
    say("4 devices with 1 and is therefore another experiment")
    say("reports: reports/index.html lists both; the logs are in logs/demo")
    return status


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
