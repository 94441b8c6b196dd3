"""How long a user waits for a command: `python -m benchmarks.cli [BASELINE CANDIDATE]`.

Prints the median wall time and the median processor time of 7 runs after 2 warm-up runs of each
command, each in a new process. With two arguments that pair is compared too. A pair is timed only
if it is judged: a pair that is not the same experiment stops before any statistic.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WARM_UP = 2
RUNS = 7
ROOT = Path(__file__).resolve().parents[1]
HARNESS = ("-m", "harness")
JUDGED, INCOMPARABLE = frozenset({0, 1, 3}), frozenset({4})
SEED, DOUBLED = (
    f"logs/samples/ccnet_r18-d8_demo_{name}.log" for name in ("seed_0", "doubled_lr_seed_101")
)
COMPARE = (*HARNESS, "compare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A command of Python, what its line is called, and the exit statuses that are no error."""

    name: str
    command: tuple[str, ...]
    statuses: frozenset[int] = JUDGED


TABLE = (
    Timed(name="python -c pass", command=("-c", "pass")),
    Timed(name="harness --help", command=(*HARNESS, "--help")),
    Timed(
        name="harness compare, 1 log against 1, judged",
        command=(*COMPARE, SEED, DOUBLED, "--allow", "learning_rate"),
    ),
    Timed(
        name="harness compare, a baseline of 12 seeds against 1 log, judged",
        command=(*COMPARE, "ccnet_r18-d8_demo", SEED),
    ),
    Timed(
        name="harness compare, the published pair, incomparable",
        command=(*COMPARE, "ccnet_r50-d8_cityscapes_rtx4090", "ccnet_r50-d8_cityscapes_sdaa-x4"),
        statuses=INCOMPARABLE,
    ),
    Timed(name="harness check", command=(*HARNESS, "check"), statuses=JUDGED | INCOMPARABLE),
)


def once(timed: Timed) -> tuple[float, float]:
    """Returns wall seconds and processor seconds of one run from the root of the clone.

    Raises:
        SystemExit: the command ended with another status than the row expects.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, *timed.command]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in timed.statuses:
        expected = " or ".join(str(status) for status in sorted(timed.statuses))
        msg = f"{timed.name}: status {done.returncode}, expected {expected}. {done.stderr}"
        raise SystemExit(msg.strip())
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def medians(timed: Timed, *, runs: int = RUNS, warm_up: int = WARM_UP) -> tuple[float, float]:
    """Returns the median wall seconds and the median processor seconds of a command."""
    measured = [once(timed) for _ in range(warm_up + runs)][warm_up:]
    wall_s, cpu_s = zip(*measured, strict=True)
    return statistics.median(wall_s), statistics.median(cpu_s)


def main(pair: Sequence[str]) -> None:
    """Prints one line for each command."""
    named = Timed(name=f"harness compare {' '.join(pair)}", command=(*COMPARE, *pair))
    print("  wall     CPU")
    for timed in (*TABLE, *([named] if pair else [])):
        wall_s, cpu_s = medians(timed)
        print(f"{wall_s:6.2f} s {cpu_s:5.2f} s  {timed.name}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in {1, 3}:
        raise SystemExit("usage: python -m benchmarks.cli [BASELINE CANDIDATE]")
    main(sys.argv[1:])
