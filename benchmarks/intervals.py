"""How often does the 95 % interval of `equivalence` hold the true difference?

    python -m benchmarks.intervals [--draws 2000] [--seed 1]

Curves fall from 4 to 1 with noise in proportion; the candidate's expected curve lies 3 % above the
baseline's. Pairs: one run a side, noise of several kinds. Run sets: runs with a level of their own.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from harness.stats import interval

TRUE = 0.03
LENGTHS = (50, 75, 100, 150, 200, 400, 1000)
KINDS = ("white", "heavy tails", "AR -0.2", "AR 0.3", "AR 0.6", "AR 0.8", "means of 10")
RUN_SETS = ((2, 2), (3, 3), (5, 5), (10, 10), (10, 3), (10, 1))


def noise(kind: str, runs: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise (runs, n) of unit variance."""
    if kind == "heavy tails":
        return rng.standard_t(4, (runs, n)) / math.sqrt(2)
    if kind == "means of 10":
        white = np.cumsum(rng.standard_normal((runs, n + 10)), axis=1)
        return (white[:, 10:] - white[:, :-10]) / math.sqrt(10)
    phi = float(kind.removeprefix("AR ")) if kind.startswith("AR") else 0.0
    white = rng.standard_normal((runs, n + 100))
    for i in range(1, n + 100):
        white[:, i] = phi * white[:, i - 1] + math.sqrt(1 - phi**2) * white[:, i]
    return white[:, 100:]


def trend(n: int) -> np.ndarray:
    """The expected curve (n,)."""
    return 1 + 3 * np.exp(-np.arange(n) / (n / 5))


def pair_coverage(n: int, kind: str, *, draws: int, seed: int) -> tuple[float, float]:
    """Coverage, and the mean half width, of the interval of a pair of n steps with 20 % noise."""
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    base = trend(n) * (1 + 0.2 * noise(kind, draws, n, rng))
    cand = (1 + TRUE) * trend(n) * (1 + 0.2 * noise(kind, draws, n, rng))
    overlap = 10 if kind == "means of 10" else 1
    held, half = 0, 0.0
    for i in range(draws):
        low, high = interval.from_pair(base[i], cand[i], overlap=overlap).bounds(0.95)
        held += low <= TRUE <= high
        half += (high - low) / 2
    return held / draws, half / draws


def set_coverage(b: int, c: int, kind: str, *, draws: int, seed: int) -> float:
    """Coverage of the interval of b against c runs of 50 steps with levels of their own (0.7 %)."""
    rng = np.random.default_rng([seed, b, c, KINDS.index(kind)])
    held = 0
    for _ in range(draws):
        own = 1 + 0.007 * rng.standard_normal((b + c, 1))
        runs = trend(50) * own * (1 + 0.05 * noise(kind, b + c, 50, rng))
        runs[b:] *= 1 + TRUE
        low, high = interval.from_runs(runs[:b], runs[b:]).bounds(0.95)
        held += low <= TRUE <= high
    return held / draws


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    args = parser.parse_args()
    margin = 1.96 * math.sqrt(0.95 * 0.05 / args.draws)
    print(f"coverage of the 95 % interval, {args.draws} draws (+-{margin:.1%}), seed {args.seed}\n")
    print("| steps of a pair | " + " | ".join(KINDS) + " |\n|---" + "|---" * len(KINDS) + "|")
    measure = partial(pair_coverage, draws=args.draws, seed=args.seed)
    with ProcessPoolExecutor(2) as pool:
        for n in args.lengths:
            found = list(pool.map(measure, [n] * len(KINDS), KINDS))
            cells = [f"{share:.1%} (±{half:.1%})" for share, half in found]
            print(f"| {n} | " + " | ".join(cells) + " |", flush=True)
    print("\n| runs | " + " | ".join(KINDS) + " |\n|---" + "|---" * len(KINDS) + "|")
    for b, c in RUN_SETS:
        cells = [
            f"{set_coverage(b, c, kind, draws=args.draws, seed=args.seed):.1%}" for kind in KINDS
        ]
        print(f"| {b} against {c} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
