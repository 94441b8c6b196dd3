"""Judges this machine's accelerator by the same start: CPU against device, by precision.

    python -m benchmarks.start_devices --device cuda

makes a start on the CPU with perturbed runs, then the same start on the device in float32, with
TF32 and in bfloat16, each with perturbed runs of its own, and prints what `harness compare` says.
float32 should pass against the CPU; TF32 and bfloat16 should fail against float32 and be named as a
matter of precision. Takes about two minutes on a CPU with two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.defects.settings import CONFIG
from benchmarks.defects.training import make_scenes

PERTURBED = 8
STEPS = 20
ROOT = Path(__file__).resolve().parents[1]


def ways(device: str) -> dict[str, list[str]]:
    """Returns the options of each run on the device."""
    found = {"float32": []}
    if device == "cuda":
        found["tf32"] = ["--cfg-options", "env_cfg.tf32=True"]
    return {**found, "bfloat16": ["--amp", "--cfg-options", "optim_wrapper.dtype=bfloat16"]}


def train(folder: Path, device: str, options: list[str]) -> Path:
    """Trains the first steps; returns the folder of the run."""
    command = [
        sys.executable, "-m", "model.train", "--config", CONFIG, "--same-start", "--steps",
        str(STEPS), "--seed", "7", "--perturb", str(PERTURBED), "--device", device,
        "--work-dir", str(folder), *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return folder


def judge(baseline: Path, candidate: Path) -> str:
    """Returns the verdict of `harness compare` on one line; precision is what is tried."""
    command = [sys.executable, "-m", "harness", "compare", str(baseline), str(candidate), "-q"]
    allow = ["--allow", "precision,config.optim_wrapper"]
    done = subprocess.run([*command, *allow], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()


def main() -> int:
    """Trains on both devices and prints the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    started = time.perf_counter()
    make_scenes()
    with tempfile.TemporaryDirectory() as where:
        runs = {"cpu": train(Path(where, "cpu"), "cpu", [])}
        for name, options in ways(device).items():
            runs[name] = train(Path(where, name), device, options)
        for ours, theirs in (("cpu", "float32"), *(("float32", n) for n in list(runs)[2:])):
            print(f"\n{ours} against {theirs} on {device}:")
            print(f"  {judge(runs[ours], runs[theirs])}", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
