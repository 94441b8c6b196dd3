"""How often a change point is named on flat histories, and how often an injected step is named.

    python -m benchmarks.trend [--count 2000] [--seed 0]

Noise has a standard deviation of 1 % of the loss; steps are in units of it.
"""

import argparse
from collections.abc import Callable

import numpy as np

from harness.comparison.result import PortResult
from harness.comparison.trend import Entry, find_changes

Noise = Callable[[np.random.Generator, int], np.ndarray]
SPREAD = 0.01
NOISES: dict[str, Noise] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "t3": lambda rng, n: rng.standard_t(3, size=n) / np.sqrt(3),
    "uniform": lambda rng, n: rng.uniform(-(3**0.5), 3**0.5, size=n),
    "5 % of runs wild": lambda rng, n: rng.normal(size=n) + 8 * (rng.random(n) < 0.05),
}
STEPS = ((10, 5, 5), (20, 3, 5), (20, 4, 5), (20, 5, 3), (20, 5, 5), (30, 10, 2), (30, 10, 3))


def history(effects: np.ndarray) -> list[Entry]:
    """A history with these effects."""
    return [
        Entry(
            result=PortResult(port="p", verdict="pass", relative_difference=float(e)),
            commit="",
            when="",
        )
        for e in effects
    ]


def main() -> None:
    """Prints both rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    print("false alarms, % of flat histories")
    for name, noise in NOISES.items():
        for runs in (6, 8, 12, 20, 50, 100):
            found = [
                bool(find_changes(history(SPREAD * noise(rng, runs)))) for _ in range(args.count)
            ]
            print(f"  {name:17} {runs:4} runs {100 * np.mean(found):6.2f}")
    looks = [
        any(find_changes(history(x[:n])) for n in range(6, 101))
        for x in (SPREAD * rng.normal(size=100) for _ in range(args.count // 4))
    ]
    print(f"  ever in 100 runs, looking after each: {100 * np.mean(looks):.1f}")
    print("hits, % whose run was named to within one")
    for before, after, size in STEPS:
        hits = 0
        for _ in range(args.count):
            x = rng.normal(size=before + after)
            x[before:] += size
            found = find_changes(history(SPREAD * x))
            hits += len(found) == 1 and abs(found[0].at - before) <= 1
        print(f"  {before} runs, then {after} at {size} sigma: {100 * hits / args.count:.1f}")


if __name__ == "__main__":
    main()
