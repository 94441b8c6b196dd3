"""What can 10 runs a side show? Injected shifts in real seed noise.

    python -m benchmarks.power DIR [--draws 500] [--seed 1]

DIR holds systems, each a folder of runs (as for `harness calibrate`). The runs of every system,
less its own mean curve, are pooled as noise (rescaled for the mean taken out); each draw takes 2 n
of them around the common mean curve, shifts half of them, and asks `ensemble` and `equivalence`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from harness.align.aligned import align
from harness.log.run import Run, Series
from harness.rules import RULES
from harness.storage.logs import expand, read_run

SHIFTS = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03)
LOCAL = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12)
SIDES = (3, 5, 10, 20)


def residuals(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The mean curve (n,) and pooled noise (R, n) of the systems that log at most common steps."""
    systems = [
        [read_run(path) for path in expand(str(inner))]
        for inner in sorted(folder.iterdir())
        if inner.is_dir()
    ]
    full = [runs for runs in systems if min(len(r.find("loss", 0)[0]) for r in runs) >= 33]
    curves = [align(runs, runs).baseline[:, :33] for runs in full]
    noise = [(c - c.mean(axis=0)) * math.sqrt(len(c) / (len(c) - 1)) for c in curves]
    return np.mean([c.mean(axis=0) for c in curves], axis=0), np.vstack(noise)


def as_runs(curves: np.ndarray) -> list[Run]:
    """Runs with one loss series each."""
    steps = np.arange(curves.shape[1])
    return [
        Run(source=f"{i}", series=(Series(name="loss", rank=0, steps=steps, values=row),))
        for i, row in enumerate(curves)
    ]


def shares(
    mean: np.ndarray, noise: np.ndarray, shift: np.ndarray, n: int, *, draws: int, seed: int
) -> tuple[float, float, float]:
    """How often `ensemble` fails, and `equivalence` at 2 % passes and fails."""
    rng = np.random.default_rng([seed, n])
    counts = np.zeros(3)
    for _ in range(draws):
        picked = rng.choice(len(noise), 2 * n, replace=False)
        curves = mean + noise[picked]
        curves[n:] += shift * mean
        aligned = align(as_runs(curves[:n]), as_runs(curves[n:]))
        found = RULES["ensemble"](aligned, permutations=1000).verdict
        same = RULES["equivalence"](aligned).verdict
        counts += [found == "fail", same == "pass", same == "fail"]
    a, b, c = counts / draws
    return float(a), float(b), float(c)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    mean, noise = residuals(args.folder)
    level = noise.mean(axis=1).std() / mean.mean()
    record = float(np.median(noise.std(axis=0) / mean))
    print(f"{len(noise)} runs: spread of a run's mean {level:.2%}, of one record {record:.2%}\n")
    print("Whole curve shifted: ensemble fails / equivalence at 2 % passes / fails\n")
    print("| shift | " + " | ".join(f"{n} a side" for n in SIDES) + " |\n|---" + "|---" * 4 + "|")
    for size in SHIFTS:
        shift = np.full(mean.size, size)
        draws = args.draws if size else 4 * args.draws
        row = [shares(mean, noise, shift, n, draws=draws, seed=args.seed) for n in SIDES]
        cells = [" / ".join(f"{x:.1%}" if 0 < x < 0.1 else f"{x:.0%}" for x in r) for r in row]
        print(f"| {size:.2%} | " + " | ".join(cells) + " |", flush=True)
    print("\nOne record shifted: ensemble fails\n")
    print("| shift | " + " | ".join(f"{n} a side" for n in SIDES) + " |\n|---" + "|---" * 4 + "|")
    for size in LOCAL:
        shift = size * (np.arange(mean.size) == mean.size // 2)
        row = [shares(mean, noise, shift, n, draws=args.draws, seed=args.seed) for n in SIDES]
        print(f"| {size:.0%} | " + " | ".join(f"{r[0]:.0%}" for r in row) + " |", flush=True)


if __name__ == "__main__":
    main()
