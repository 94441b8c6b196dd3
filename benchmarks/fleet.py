"""What a port costs beyond its judging: `python -m benchmarks.fleet [PORTS ...] [--on NAME ...]`.

Judges 1,000 and 10,000 generated ports in one process, in 8 shards with their merge (one shard
after another, in one process), on Ray and on Dask with a worker per core (both must be installed;
`tox -e clusters` has them). Prints the seconds of the whole check from the manifest to the exit
status, and for each port: the whole, the judging, which its result states, and the rest, which is
the overhead. Times are of all workers together, so the overhead contains waiting workers.
`benchmarks.same_bytes` compares all outputs of these ways, while it kills their processes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer.main

from harness.cli.main import app
from harness.comparison.result import PortResult
from harness.ports.shard_files import read_shard

ROOT = Path(__file__).resolve().parents[1]
SHARDS = 8
STEPS = 60
LOGS = 20
"""Different candidates; their ports differ in nothing else."""
LINE = (
    "TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: {i}  rank : 0  "
    "train.loss : {v!r}  train.ips : 12.5 imgs/s train.total_time : 0.16 \n"
)


def write(ports: int) -> None:
    """Writes the logs and the manifest into the current folder."""
    rng = np.random.default_rng(0)
    curve = 1 + 3 * np.exp(-np.arange(STEPS) / 20)
    for number in range(LOGS + 1):
        values = (curve * (1 + 0.02 * rng.standard_normal(STEPS))).tolist()
        text = "".join(LINE.format(i=i, v=v) for i, v in enumerate(values))
        Path(f"{number}.log").write_text(text)
    entries = (
        f'[[port]]\nname = "p{port}"\nbaseline = "{LOGS}.log"\ncandidate = "{port % LOGS}.log"\n'
        'rules = ["two-sided"]\n'
        for port in range(ports)
    )
    Path("ports.toml").write_text("\n".join(entries))


class Here(Executor):
    """An executor that works in this thread."""

    def submit(self, work: Any, /, *given: Any) -> Future[Any]:
        """Returns the future of `work(*given)`, which is done."""
        future: Future[Any] = Future()
        future.set_result(work(*given))
        return future


def command(*words: str) -> None:
    """Runs a command of the harness in this process, without its output."""
    with contextlib.redirect_stdout(io.StringIO()):
        typer.main.get_command(app).main(list(words), standalone_mode=False)


def in_one_process() -> int:
    """Judges every port in this process, and returns the number of its workers."""
    command("check", "--shard", "1/1", "--executor", "benchmarks.fleet:Here", "-q")
    return 1


def in_shards() -> int:
    """Judges 8 shards, one after another, merges them, and returns the number of workers."""
    for index in range(1, SHARDS + 1):
        shard = f"{index}/{SHARDS}"
        command("check", "--shard", shard, "--executor", "benchmarks.fleet:Here", "-q")
    command("merge", "-q")
    return 1


def on_ray() -> int:
    """Judges every port on Ray, which starts on this machine, and returns the number of workers."""
    command("check", "--shard", "1/1", "--executor", "on_ray:make_executor", "-q")
    return os.cpu_count() or 1


def on_dask() -> int:
    """Judges every port on Dask, which starts on this machine, and returns its workers."""
    command("check", "--shard", "1/1", "--executor", "on_dask:make_executor", "-q")
    return os.cpu_count() or 1


def results() -> list[PortResult]:
    """Returns the results in the order of the manifest, from the files of the shards."""
    parts = [read_shard(path) for path in Path("shards").glob("*.jsonl")]
    placed = sorted((p for part in parts for p in part.results), key=lambda p: p.place)
    return [p.result for p in placed]


def untimed(judged: list[PortResult]) -> str:
    """Returns the SHA-256 of the results without their times."""
    texts = (replace(result, started="", elapsed_s=0.0).to_json() for result in judged)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


WAYS: dict[str, Callable[[], int]] = {
    "process": in_one_process,
    "shards": in_shards,
    "ray": on_ray,
    "dask": on_dask,
}


@contextlib.contextmanager
def project(ports: int) -> Iterator[None]:
    """Returns a context in a folder with the ports, outside of which nothing is written."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["XDG_CACHE_HOME"] = folder
        for name in ("on_ray.py", "on_dask.py"):
            shutil.copy(ROOT / "examples" / "clusters" / name, folder)
        write(ports)
        yield


def main() -> int:
    """Prints a line for each way and number of ports. Returns 1 if two ways give other results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ports", nargs="*", type=int, default=[1000, 10_000])
    parser.add_argument("--on", nargs="*", choices=WAYS, default=list(WAYS))
    asked = parser.parse_args()
    seen: dict[int, set[str]] = {}
    print("way        ports     whole   a port: whole   judging   overhead   results")
    for name in asked.on:
        for ports in asked.ports:
            with project(ports):
                begun = time.perf_counter()
                workers = WAYS[name]()
                seconds = time.perf_counter() - begun
                judged = results()
            digest = untimed(judged)
            seen.setdefault(ports, set()).add(digest)
            whole = 1e3 * seconds * workers / ports
            judging = 1e3 * sum(result.elapsed_s for result in judged) / ports
            print(
                f"{name:8s} {ports:7,d} {seconds:7.1f} s {whole:12.2f} ms {judging:6.2f} ms "
                f"{whole - judging:7.2f} ms   {digest[:8]}",
                flush=True,
            )
    same = all(len(digests) == 1 for digests in seen.values())
    print("the results are the same" if same else "the results DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
