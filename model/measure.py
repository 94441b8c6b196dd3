"""Peak memory of a process, and a call in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent


def peak_rss_mib() -> float:
    """Return the largest resident set of this process so far, in MiB (Linux).

    Read from /proc: getrusage's ru_maxrss survives exec, so that a child of a large process begins
    with the peak of its parent.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM line; peak memory is measured on Linux only")


def in_fresh_process(script: str, arguments: Any) -> Any:
    """Return the JSON that `script` prints, run by a fresh Python with the JSON of `arguments`."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script, json.dumps(arguments)],
        check=True,
        capture_output=True,
        text=True,
        cwd=_ROOT,
    )
    return json.loads(done.stdout.splitlines()[-1])
