"""The threads of torch on a CPU: how many, and what those do that wait.

A parallel step ends when its slowest thread does. Threads that have nothing left to do spin, by
default, so that the next step starts at once; where other processes want the same cores, they take
the time that the slowest one needs. Here they sleep. Which thread computes what does not change,
so neither do the results. Loads no torch: OpenMP reads its settings when torch is imported.
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

SETTINGS = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""Of GNU's and of LLVM's and Intel's OpenMP. A user's own settings come first."""
GROUP = Path("/sys/fs/cgroup")


def wait_without_spinning(environment: MutableMapping[str, str]) -> None:
    """Lets waiting threads sleep, unless the environment says what they should do."""
    if "GOMP_SPINCOUNT" in environment:
        return
    for name, value in SETTINGS.items():
        environment.setdefault(name, value)


def waiting() -> str:
    """In words, what threads do that wait, where it was settled."""
    if os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive":
        return ", which sleep while they wait"
    return ""


def cpus(group: Path = GROUP) -> int:
    """Returns how many CPUs this process may use: those of its affinity, within its quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min(bound or 1, quota(group))))


def quota(group: Path = GROUP) -> float:
    """Returns the CPUs that a container's limit allows (cgroup 2 or 1); infinity without any."""
    try:
        if (group / "cpu.max").is_file():
            used, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        else:
            used = (group / "cpu/cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (group / "cpu/cpu.cfs_period_us").read_text(encoding="utf-8").strip()
        return float(used) / float(period) if float(used) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # no limit: `max`, or no such file
        return math.inf


def settle(group: Path = GROUP) -> None:
    """Asks torch for no more threads than the quota has CPUs, unless the user set a number.

    torch counts the CPUs that it is bound to, and knows no quota. A number that is small enough is
    left alone: the same run on the same machine gives the same bits.
    """
    import torch  # noqa: PLC0415  (the settings above must come first)

    if "OMP_NUM_THREADS" not in os.environ and cpus(group) < torch.get_num_threads():
        torch.set_num_threads(cpus(group))
