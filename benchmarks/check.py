"""How long a large manifest takes: `python -m benchmarks.check [PORTS]` (1,000 unless given).

Writes pairs of logs of 500 steps, one of them damaged, checks them with one process and with one
per core, and prints seconds, ports per second and the largest process.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.ports.check import Task, check_ports
from harness.ports.manifest import read_manifest

STEPS = 500
LINE = (
    "TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: {i}  rank : 0  "
    "train.loss : {v!r}  train.ips : 12.5 imgs/s train.total_time : 0.16 \n"
)


def write(folder: Path, ports: int) -> list[Task]:
    """The logs and the manifest, as tasks."""
    rng = np.random.default_rng(0)
    curve = 1 + 3 * np.exp(-np.arange(STEPS) / 60)
    entries = []
    for port in range(ports):
        for side in ("gpu", "port"):
            values = (curve * (1 + 0.02 * rng.standard_normal(STEPS))).tolist()
            text = "".join(LINE.format(i=i, v=v) for i, v in enumerate(values))
            (folder / f"{port}.{side}.log").write_text(text if port != 7 else "damaged\n")
        pair = f'baseline = "{port}.gpu.log"\ncandidate = "{port}.port.log"\n'
        entries.append(f'[[port]]\nname = "p{port}"\n{pair}')
    manifest = folder / "ports.toml"
    manifest.write_text("\n".join(entries))
    return [Task(port=p, manifest=manifest, line=1) for p in read_manifest(manifest).port]


def main() -> None:
    """Prints one line for each number of processes."""
    ports = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        tasks = write(Path(folder), ports)
        for workers in (1, None):
            begun = time.perf_counter()
            words = [result.verdict for result in check_ports(tasks, workers=workers)]
            seconds = time.perf_counter() - begun
            counts = ", ".join(f"{words.count(w)} {w}" for w in sorted(set(words)))
            who = resource.RUSAGE_SELF if workers else resource.RUSAGE_CHILDREN
            peak = resource.getrusage(who).ru_maxrss >> 10
            name = f"{workers or 'one a core'}"
            print(
                f"processes: {name:10s} {seconds:7.1f} s  {ports / seconds:6.1f} ports/s  "
                f"largest {peak} MiB  ({counts})"
            )


if __name__ == "__main__":
    main()
