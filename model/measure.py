"""Peak memory of a process, a call in a fresh process, and whether the machine is busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent


def peak_rss_mib() -> float:
    """Returns the largest resident set of this process so far, in MiB (Linux).

    Read from /proc: getrusage's ru_maxrss survives exec, so that a child of a large process begins
    with the peak of its parent.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM line; peak memory is measured on Linux only")


def in_fresh_process(script: str, arguments: Any) -> Any:
    """Returns the JSON that `script` prints, run by a fresh Python with the JSON of `arguments`."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script, json.dumps(arguments)],
        check=True,
        capture_output=True,
        text=True,
        cwd=_ROOT,
    )
    return json.loads(done.stdout.splitlines()[-1])


def busy_note(threads: int) -> str:
    """Returns a warning when other processes leave fewer than `threads` CPUs free, else ''.

    Times taken then say little: threads wait for each other at every small product, and the
    slower side of a comparison came out up to ten times slower than on a quiet machine.
    """
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if cores - load >= threads - 0.5:
        return ""
    return (
        f"the machine is busy (load {load:.1f} on {cores} CPUs before the start): memory and FLOPs "
        "hold, times do not; measure again when it is quiet, or with --threads 1"
    )
