"""Many small logs in an object store: `python -m benchmarks.store [--logs N] [--latency MS]`.

A store in a separate process (`store_server.py`) speaks S3 to s3fs, and waits before each answer.
Prints how fast logs are read one after another, by `harness collect` with many in flight, and by
`harness check` from the table, with the peak memory of all processes of a command together. Needs
the extras s3 and parquet.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.store_server import BUCKET, log_bytes, log_name

SEQUENTIAL = 100
"""Logs that are read one after another; their rate does not depend on the number."""
PORTS = 300
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A command with its number of logs, seconds, and peak memory in bytes."""

    name: str
    logs: int
    seconds: float
    peak_bytes: int

    def line(self, size: float) -> str:
        """Returns the row of the table; `size` is the mean size of a log in bytes."""
        rate = self.logs / self.seconds
        return (
            f"{self.name:<44} {self.logs:>7} {self.seconds:>8.1f} {rate:>8.0f} "
            f"{rate * size / 1e6:>6.2f} {self.peak_bytes / 2**20:>8.0f}"
        )


def rss_of_tree(root: int) -> int:
    """Returns the resident bytes of a process and its descendants, shared pages counted once each.

    The proportional size (PSS) divides a shared page among the processes that map it.
    """
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    left, total = [root], 0
    while left:
        pid = left.pop()
        left += parents.get(pid, [])
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) << 10 for line in text.splitlines()
                       if line.startswith("Pss:")), 0)  # fmt: skip
    return total


def measured(
    name: str, logs: int, command: list[str], folder: Path, statuses: set[int]
) -> Measured:
    """Runs a command and returns its time and peak memory, which is sampled four times a second."""
    peak, begun = 0, time.monotonic()
    with (folder / "out.txt").open("w+") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=out, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, rss_of_tree(process.pid))
            time.sleep(0.25)
        seconds = time.monotonic() - begun
        out.seek(0)
        text = out.read()
    if process.returncode not in statuses:
        msg = f"{name}: exit status {process.returncode}: {text[-500:]}"
        raise RuntimeError(msg)
    return Measured(name=name, logs=logs, seconds=seconds, peak_bytes=peak)


ONE_BY_ONE = """
import sys, fsspec
from harness.parse import parse_log
for n in range(int(sys.argv[1])):
    url = sys.argv[2].format(n)
    with fsspec.open(url, "rb") as file:
        parse_log([file.read()], source=url)
"""


def manifest(ports: int) -> str:
    """Returns a ports.toml whose ports compare runs of the table."""
    entry = (
        '[[port]]\nname = "p{0}"\nbaseline = "table#runs/run_000000[0-4].log"\n'
        'candidate = "table#runs/{1}"\n'
    )
    return "".join(
        entry.format(n, log_name(n).removeprefix("runs/")) for n in range(10, 10 + ports)
    )


def port_number() -> int:
    """Returns a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--logs", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=20, help="milliseconds before an answer")
    given = parser.parse_args()
    port = port_number()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="benchbench",
        AWS_DEFAULT_REGION="us-east-1",
        PYTHONPATH=str(ROOT),
    )
    arguments = [str(port), str(given.logs), str(given.latency)]
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.store_server", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        with tempfile.TemporaryDirectory() as folder:
            report(given.logs, given.latency, Path(folder))
    finally:
        server.terminate()
        server.wait()


def report(logs: int, latency: float, folder: Path) -> None:
    """Measures each way, and prints a row for it as soon as it is measured."""
    size = sum(len(log_bytes(n)) for n in range(100)) / 100
    print(f"{logs} logs of {size / 1000:.1f} kB, {latency:g} ms before each answer of the store")
    print(f"{'':<44} {'logs':>7} {'s':>8} {'logs/s':>8} {'MB/s':>6} {'peak MiB':>8}")
    few = min(SEQUENTIAL, logs)
    url = f"s3://{BUCKET}/" + log_name(0).replace("0000000", "{:07d}")
    collect = ["-m", "harness", "collect", f"s3://{BUCKET}/runs/", "--to", "table"]
    (folder / "ports.toml").write_text(manifest(min(PORTS, logs - 10)))
    (folder / "one.toml").write_text(manifest(1))
    for name, count, command, statuses in (
        ("one after another, by fsspec", few, ["-c", ONE_BY_ONE, str(few), url], {0}),
        ("harness collect", logs, collect, {0}),
        ("harness collect again, nothing changed", logs, collect, {0}),
        ("harness check of 1 port from the table", 1,
         ["-m", "harness", "check", "one.toml", "-q"], {0, 1, 3}),
        ("harness check of ports from the table", min(PORTS, logs - 10),
         ["-m", "harness", "check", "ports.toml", "-q"], {0, 1, 3}),
    ):  # fmt: skip
        print(measured(name, count, command, folder, statuses).line(size), flush=True)
    table = sum(path.stat().st_size for path in (folder / "table").rglob("*") if path.is_file())
    print(f"the table has {table / 1e6:.1f} MB, the logs have {logs * size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
