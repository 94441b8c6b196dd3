"""Record the demo's baselines: `python -m benchmarks.demo_baseline [--start] [--device cuda]`.

Trains the demo config once a seed (1, 2, ... on the best device here unless one is named), keeps
each step log packed beside the figures in `baselines/ccnet_r18-d8_demo/`, and records them. A run
that is complete already is not repeated, so an interrupted recording goes on where it stopped.

`--start` records `baselines/ccnet_r18-d8_demo_start/` instead: the first steps of the config's own
seed, and perturbed runs of the same start.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.sweep.job import job_of
from harness.sweep.manifest import parse
from harness.sweep.plan import plan
from harness.sweep.training import train as train_all
from harness.sweep.training import unfinished

ROOT = Path(__file__).resolve().parents[1]
NAME = "ccnet_r18-d8_demo"
START = f"{NAME}_start"
SHELF = ROOT / "baselines"
RUNS = ROOT / "logs" / "baseline"
STEPS = 200
FIRST_STEPS, PERTURBED = 20, 8
"""Steps of the start, and its perturbed runs."""


def call(*command: str) -> None:
    """Runs a command from the repository's root; its failure ends the recording."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": path})


def train(folder: Path, device: str | None, *options: str) -> None:
    """Trains the demo config into a folder."""
    where = ["--device", device] if device else []
    to = ["--work-dir", str(folder), *where]
    call(sys.executable, "-m", "model.train", "--config", NAME, *to, *options)


def seeds(count: int, device: str | None) -> dict[str, Path]:
    """The step logs of finished runs with the seeds 1 to `count`, by name."""
    words = ["{python}", "-m", "model.train", "--config", NAME, "--work-dir", "{out}"]
    words += [*(["--device", device] if device else []), "--seed", "{seed}"]
    sweep = parse(
        {
            "command": words, "axes": {"seed": list(range(1, count + 1))}, "out": str(RUNS),
            "name": "seed_{seed:02d}", "log": "{out}/port.log", "steps": STEPS,
        }
    )  # fmt: skip
    runs = plan(sweep, ROOT)
    outcome = train_all(runs, job_of(sweep, ROOT), say=print)
    if outcome.failed:
        raise unfinished(outcome, len(runs))
    return {run.name: run.log for run in runs}


def start(device: str | None) -> dict[str, Path]:
    """The step logs of the start and of its perturbed runs, by name."""
    folder = RUNS / "start"
    shutil.rmtree(folder, ignore_errors=True)
    steps, perturbed = str(FIRST_STEPS), str(PERTURBED)
    train(folder, device, "--same-start", "--steps", steps, "--perturb", perturbed)
    moved = [f"perturbed_{k}" for k in range(1, PERTURBED + 1)]
    return {"original": folder / "port.log", **{name: folder / name / "port.log" for name in moved}}


def record(name: str, logs: dict[str, Path], *options: str) -> None:
    """Packs logs beside the figures, and records them."""
    folder = SHELF / name
    folder.mkdir(parents=True, exist_ok=True)
    for stem, log in logs.items():
        text = log.read_bytes().replace(f"{ROOT}/".encode(), b"")  # it names folders of here
        (folder / f"{stem}.log.xz").write_bytes(lzma.compress(text))
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    origin = f"python -m benchmarks.demo_baseline {' '.join(sys.argv[1:])}".strip()
    call(
        sys.executable, "-m", "harness", "baseline", "add", name, f"baselines/{name}",
        "--origin", f"{origin}, at commit {commit}", "--replace", *options,
    )  # fmt: skip


def main() -> None:
    """Trains, packs and records."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=12, help="number of runs (default 12)")
    parser.add_argument("--start", action="store_true", help="record the start instead of seeds")
    parser.add_argument("--device", help="device kind; the best one here by default")
    args = parser.parse_args()
    call(sys.executable, "-m", "model.data.synthetic", "data/synthetic")
    about = "CCNet R18-D8 demo on synthetic street scenes"
    if args.start:
        meaning = f"{about}, first {FIRST_STEPS} steps and {PERTURBED} perturbed runs of them"
        record(START, start(args.device), "--same-start", "--description", meaning)
    else:
        meaning = f"{about}, {args.seeds} seeds, {STEPS} steps"
        record(NAME, seeds(args.seeds, args.device), "--description", meaning)


if __name__ == "__main__":
    main()
