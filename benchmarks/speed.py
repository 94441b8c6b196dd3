"""How long `harness calibrate` and one `harness compare` of 10 against 10 runs take.

    python -m benchmarks.speed DIR

DIR holds systems, each a folder of runs. Both are timed as commands, start-up and reading included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path


def timed(*args: str) -> float:
    """Seconds that a command takes, whatever its exit status says."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "harness", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2 or "Traceback" in done.stderr:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


def main() -> None:
    """Prints both times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    systems = sorted(path for path in folder.iterdir() if path.is_dir())
    pairs = len(systems) * (len(systems) - 1) // 2
    sides = [str(path) for path in systems[:2]]
    rules = ("--rule", "ensemble", "--rule", "equivalence", "--allow", "all")
    print(f"compare, 10 against 10 runs: {timed('compare', *sides, *rules):.2f} s")
    taken = timed("calibrate", str(folder), "--permutations", "1000")
    print(f"calibrate, {pairs} pairs x 1,000 permutations and 2,000 half-splits: {taken:.1f} s")


if __name__ == "__main__":
    main()
