"""How long a user waits: `python benchmarks/cli.py [BASELINE CANDIDATE]`.

Median of 7 runs after 2 warm-up runs of each command, each in a process of its own. Without
arguments the recorded CCNet pair is compared; `python -c pass` is printed as the floor.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

WARM_UP = 2
RUNS = 7
ROOT = Path(__file__).resolve().parents[1]
PAIR = ["ccnet_r50-d8_cityscapes_rtx4090", "ccnet_r50-d8_cityscapes_sdaa-x4"]


def median_s(command: list[str]) -> float:
    """Median wall-clock seconds of a command, run from the repository's root."""
    times = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])


def main() -> None:
    """Prints one line a command."""
    pair = sys.argv[1:3] or PAIR
    harness = str(Path(sys.executable).with_name("harness"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "harness --help": [harness, "--help"],
        f"harness compare {' '.join(pair)}": [harness, "compare", *pair],
        "harness check": [harness, "check"],
    }
    for name, command in commands.items():
        print(f"{median_s(command):6.3f} s  {name}")


if __name__ == "__main__":
    main()
