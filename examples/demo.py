"""A demonstration from end to end: `python examples/demo.py [OPTIONS OF THE TRAINING]`.

Makes synthetic street scenes, trains the first steps of a small CCNet on the best available device
from the same start as the recorded baseline, and judges them; a second time with a fault. Then it
trains 3 seeds to the end, judges them against their baseline, and judges the published port. It
prints its progress, the time left, and where the reports are. The exit status is the worse verdict
on what was trained without a fault: 0 pass, 1 fail, 2 an error, 3 inconclusive, 4 incomparable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.sweep.estimate import duration

ROOT = Path(__file__).resolve().parents[1]
LOGS = Path("logs/demo")
OUTPUT = Path("logs/demo_output")
"""The output of the first trainings. A folder of runs may hold only their logs."""
CONFIG = "ccnet_r18-d8_demo"
FIRST = Path("logs/demo_start")
START = f"{CONFIG}_start"
"""The recorded start: the first steps, and perturbed runs of them."""
FIRST_STEPS = 20
"""What `--same-start` trains, unless options plan fewer steps."""
FAULT = "attention_weights_detached"
"""A fault of the attention's backward pass. The loss of the first steps does not show it."""
FAULT_MEANS = "the attention's query and key get no gradient"
SWEEP = "demo_sweep.toml"
SEEDS = 3
"""The number of seeds of the sweep."""
STEPS = 200
"""Steps of the config; options may change them, and the log states the number."""
JUDGE = ["compare", CONFIG, str(LOGS), "--rule", "equivalence:margin=0.1"]
PASS, FAIL, ERROR, INCONCLUSIVE, INCOMPARABLE = 0, 1, 2, 3, 4
WORSE = (PASS, INCONCLUSIVE, INCOMPARABLE, FAIL, ERROR)
"""The exit statuses, the worst last."""


def say(text: str) -> None:
    """Prints a line of progress."""
    print(f"demo: {text}", flush=True)


def training(folder: Path, *options: str) -> list[str]:
    """Returns the command that trains into a folder, which it makes."""
    folder.mkdir(parents=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "model.train", "--config", CONFIG]
    return [*command, "--work-dir", str(folder), *options]


def check(process: subprocess.Popen[bytes], printed: Path) -> None:
    """Raises CalledProcessError for a training that failed, after printing its last line."""
    if process.returncode:
        last = printed.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
        sys.stderr.write("\n".join([*last, f"demo: the training failed; see {printed}", ""]))
        raise subprocess.CalledProcessError(process.returncode, process.args)


def train_seeds(options: Sequence[str]) -> None:
    """Trains every seed of the sweep to its end; the sweep prints its progress."""
    status = harness("sweep", SWEEP, "--", *options)
    if status:
        raise subprocess.CalledProcessError(status, SWEEP)


def train_first(name: str, options: Sequence[str]) -> None:
    """Trains the first steps from the recorded start."""
    command = training(FIRST / name, "--same-start", *options)
    printed = OUTPUT / f"start_{name}.txt"
    with printed.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        process.wait()
    check(process, printed)


def judge_first(name: str, options: Sequence[str]) -> int:
    """Trains and judges the first steps, and returns the exit status."""
    begun = time.monotonic()
    train_first(name, options)
    status = harness("compare", START, str(FIRST / name / "port.log"), "--quiet")
    say(f"{duration(time.monotonic() - begun)} from the start of the training to this verdict")
    return status


def judge_start(options: Sequence[str]) -> int:
    """Judges the first steps, healthy and with a fault; returns the status of the healthy ones."""
    say(f"trains {FIRST_STEPS} steps from the same start as a baseline that was recorded on a CPU")
    status = judge_first("port", options)
    if status == PASS:
        say(f"trains the same steps with a fault, {FAULT}: {FAULT_MEANS}")
        if judge_first("faulty", [*options, "--fault", FAULT]) != FAIL:
            say("the fault was not noticed")
    return status


def harness(*arguments: str) -> int:
    """Runs a command of the harness, and returns the exit status."""
    say("harness " + " ".join(arguments))
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, check=False).returncode


def main(options: Sequence[str]) -> int:
    """Trains, judges, prints where the reports are, and returns the exit status."""
    try:
        return demonstrate(options)
    except subprocess.CalledProcessError as error:
        return error.returncode


def demonstrate(options: Sequence[str]) -> int:
    """Returns the worse verdict on the first steps and on the seeds."""
    say(f"trains a small CCNet, and judges {FIRST_STEPS} steps and {SEEDS} whole runs of it")
    say("this takes about three minutes on an idle machine with two cores; an estimate follows")
    for folder in (LOGS, FIRST):
        shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "model.data.synthetic", "data/synthetic"], check=True)
    first = judge_start(options)
    say(f"trains {SEEDS} seeds for {STEPS} steps, and judges the whole runs")
    train_seeds(options)
    whole = harness(*JUDGE)
    harness("check", "demo.toml", "--report", "reports")
    say("the first two ports were trained here; the third is the published port, which compares")
    say("4 devices with 1 and is therefore another experiment")
    say("reports: reports/index.html lists them; the logs are in logs/demo_start and logs/demo")
    return max(first, whole, key=WORSE.index)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
