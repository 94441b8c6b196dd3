"""Record the demo's baseline: `python -m benchmarks.demo_baseline [--seeds 12] [--device cuda]`.

Trains the demo config once a seed (1, 2, ... on the best device here unless one is named), keeps
each step log packed beside the figures in `baselines/ccnet_r18-d8_demo/`, and records them. A run
that is complete already is not repeated, so an interrupted recording goes on where it stopped.
"""

from __future__ import annotations

import argparse
import lzma
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "ccnet_r18-d8_demo"
SHELF = ROOT / "baselines" / NAME
RUNS = ROOT / "logs" / "baseline"
STEPS = 200


def call(*command: str) -> None:
    """Runs a command from the repository's root; its failure ends the recording."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": path})


def train(seed: int, device: str | None) -> bytes:
    """The step log of a finished run with this seed."""
    folder = RUNS / f"seed_{seed:02d}"
    log = folder / "port.log"
    if not log.is_file() or log.read_text().count("TCAPPDLL ") < STEPS:
        log.unlink(missing_ok=True)
        where = ["--device", device] if device else []
        options = ["--seed", str(seed), "--work-dir", str(folder), *where]
        call(sys.executable, "-m", "model.train", "--config", NAME, *options)
    return log.read_bytes().replace(f"{ROOT}/".encode(), b"")  # the log names folders of here


def main() -> None:
    """Trains, packs and records."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=12, help="number of runs (default 12)")
    parser.add_argument("--device", help="device kind; the best one here by default")
    args = parser.parse_args()
    call(sys.executable, "-m", "model.data.synthetic", "data/synthetic")
    SHELF.mkdir(parents=True, exist_ok=True)
    for seed in range(1, args.seeds + 1):
        packed = SHELF / f"seed_{seed:02d}.log.xz"
        packed.write_bytes(lzma.compress(train(seed, args.device)))
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    origin = f"python -m benchmarks.demo_baseline {' '.join(sys.argv[1:])}".strip()
    call(
        sys.executable, "-m", "harness", "baseline", "add", NAME, f"baselines/{NAME}",
        "--origin", f"{origin}, at commit {commit}", "--replace", "--description",
        f"CCNet R18-D8 demo on synthetic street scenes, {args.seeds} seeds, 200 steps",
    )  # fmt: skip


if __name__ == "__main__":
    main()
