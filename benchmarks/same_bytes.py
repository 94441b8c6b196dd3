"""Whether all ways to judge a fleet write the same bytes although their processes are killed.

    python -m benchmarks.same_bytes [PORTS] [--on WAY ...] [--report]

Judges the ports with `harness check` on this machine, in 8 shards with their merge, on Ray and on
Dask (both must be installed; `tox -e clusters` has them). In the middle of a port, SIGKILL ends the
command of a shard, and a worker of Ray and of Dask; later it ends the command on Ray and on Dask.
`--resume` continues each command. The clocks of the checks are stopped, so nothing is left out of
the comparison: the table on the screen, JUnit, GitLab's report, the comment, every row of the
history, which holds the JSON of a port, and with `--report` each file of each report and the index.

Prints a line for each way. Judged again after a kill are the ports that were with a worker and
whose result had not arrived (`lost`), and, as --resume does, errors. A result that a killed command
had kept is never judged again (`twice`). Exits with 1 if that or any file of two ways differs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.fleet import LINE, ROOT, SHARDS, STEPS
from benchmarks.killing import Notes, kill_driver, kill_worker

OUT, NOTES = Path("out"), Path("notes")
LOGS = ("near", "far", "short", "nan", "devices", "absent")
"""What the candidate of a port is, in turn; the last has no log."""
DEVICES = f"""\
07/26 08:17:16 - mmengine - INFO -
{"-" * 60}
Runtime environment:
    GPU number: {{}}
{"-" * 60}

"""
"""The block in which mmengine logs the number of devices."""
START = {
    "ray": "import ray; here = ray.init(num_cpus={n}, include_dashboard=False, "
    "log_to_driver=False); print(here.address_info['gcs_address'], flush=True); input()",
    "dask": "from distributed import LocalCluster\nif __name__ == '__main__':\n here = "
    "LocalCluster(n_workers={n}, threads_per_worker=1, dashboard_address=':0')\n "
    "print(here.scheduler_address, flush=True); input()",
}
RAY_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""The token of the cluster of Ray, so that nobody else can use it."""
ADDRESS = {"ray": "RAY_ADDRESS", "dask": "DASK_SCHEDULER_ADDRESS"}


def write(ports: int) -> None:
    """Writes the logs and a manifest whose ports have each kind of result."""
    rng = np.random.default_rng(0)
    curve = 1 + 3 * np.exp(-np.arange(STEPS) / 20)
    curve *= 1 + 0.02 * rng.standard_normal(STEPS)
    curves = {"gpu": curve, "near": curve * 1.001, "far": curve * 1.3, "devices": curve}
    curves |= {"short": curve[: STEPS // 3], "nan": np.where(np.arange(STEPS) == 40, np.nan, curve)}
    for name, values in curves.items():
        lines = "".join(LINE.format(i=i, v=v) for i, v in enumerate(values.tolist()))
        devices = DEVICES.format(4 if name == "devices" else 1)
        Path(f"{name}.log").write_text(devices + lines)
    entries = (
        f'[[port]]\nname = "p{port}"\nbaseline = "gpu.log"\n'
        f'candidate = "{LOGS[port % len(LOGS)]}.log"\nrules = ["two-sided", "modelzoo"]\n'
        for port in range(ports)
    )
    Path("ports.toml").write_text("\n".join(entries))


def environment(**more: str) -> dict[str, str]:
    """Returns the variables of every process of a check."""
    path = os.pathsep.join([str(ROOT / "benchmarks" / "stopped"), str(ROOT)])
    here = {"PYTHONPATH": path, "FLEET_NOTES": str(NOTES.resolve()), "HARNESS_RUN": "run"}
    fixed = {"HARNESS_DATE": "2026-01-01", "HARNESS_COMMIT": "c" * 40, "COLUMNS": "100"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI_"))}
    return {**kept, **here, **fixed, **RAY_TOKEN, **more}


def start(*words: str, **variables: str) -> subprocess.Popen[bytes]:
    """Starts a command of the harness; its table is a file of the outputs."""
    with (OUT / "table").open("wb") as table, Path("stderr").open("ab") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            env=environment(**variables),
            stdout=table,
            stderr=err,
        )


def files(report: list[str]) -> list[str]:
    """Returns the options for every output of a whole check."""
    names = ("junit", "gitlab", "comment", "history")
    return [*report, *(word for name in names for word in (f"--{name}", str(OUT / name)))]


class Kills:
    """What was killed, and the ports that were judged though their results had been kept."""

    def __init__(self, notes: Notes) -> None:
        self.notes, self.done = notes, list[str]()
        self._kept: list[tuple[int, set[str]]] = []

    def worker(self, running: subprocess.Popen[bytes], after: int) -> None:
        """Kills a worker in the middle of a port."""
        kill_worker(self.notes, after=after, running=running)
        self.done.append("worker")

    def driver(self, running: subprocess.Popen[bytes], after: int, part: str = "") -> None:
        """Kills the command."""
        self._kept.append(kill_driver(self.notes, after=after, running=running, part=part))
        self.done.append("driver" if not part else "shard")

    def twice(self) -> int:
        """Returns how many kept results were judged again."""
        return sum(len(kept & set(self.notes.begun(since))) for since, kept in self._kept)


def on_this_machine(_name: str, _ports: int, report: list[str], _kills: Kills) -> int:
    """Judges with the processes of `harness check`, and returns the exit status."""
    return start("check", *files(report)).wait()


def in_shards(_name: str, ports: int, report: list[str], kills: Kills) -> int:
    """Judges 8 shards, of which the third is killed and continued, and merges them."""
    for index in range(1, SHARDS + 1):
        words = ("check", "--shard", f"{index}/{SHARDS}", *report, "-q")
        running = start(*words)
        if index == 3:
            half = kills.notes.begun().total() + ports // SHARDS // 2
            kills.driver(running, half, f"{index}-of-{SHARDS}")
            running = start(*words, "--resume")
        running.wait()
    return start("merge", *files(report)).wait()


def on_a_cluster(name: str, ports: int, report: list[str], kills: Kills) -> int:
    """Judges on Ray or Dask; a worker is killed, and later the command, which is continued."""
    words = ("check", "--executor", f"on_{name}:make_executor", *files(report))
    with cluster(name) as where:
        running = start(*words, **where)
        kills.worker(running, ports // 3)
        kills.driver(running, 2 * ports // 3)
        return start(*words, "--resume", **where).wait()


@contextlib.contextmanager
def cluster(name: str) -> Iterator[dict[str, str]]:
    """Returns a context with the variable that names a cluster of a worker per core."""
    script = Path(f"start_{name}.py")
    script.write_text(START[name].format(n=os.cpu_count() or 1))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment(), text=True, **pipes
    ) as p:
        try:
            yield {ADDRESS[name]: p.stdout.readline().strip()}
        finally:
            p.stdin.close()
            p.wait(60)


WAYS: dict[str, Callable[[str, int, list[str], Kills], int]] = {
    "machine": on_this_machine,
    "shards": in_shards,
    "ray": on_a_cluster,
    "dask": on_a_cluster,
}


def written() -> dict[str, bytes]:
    """Returns the SHA-256 of every output; the history's is that of its rows."""
    table = (OUT / "table").read_bytes()
    # Before the table, Ray reports on standard output that a worker died.
    (OUT / "table").write_bytes(table[max(0, table.find(b"  port ")) :])
    with closing(sqlite3.connect(OUT / "history")) as store:
        rows = store.execute("select * from harness_history order by id").fetchall()
    (OUT / "history").write_text("\n".join(map(repr, rows)))
    paths = sorted(path for path in OUT.rglob("*") if path.is_file())
    return {str(p): hashlib.sha256(p.read_bytes()).digest() for p in paths}


def judge(name: str, ports: int, report: list[str]) -> tuple[dict[str, bytes], int]:
    """Judges the ports in a way, and prints its line. Returns its outputs, and what is twice."""
    for path in (OUT, Path("shards"), Path("cache")):
        shutil.rmtree(path, ignore_errors=True)
    NOTES.unlink(missing_ok=True)
    OUT.mkdir()
    kills, begun = Kills(Notes(NOTES.resolve())), time.perf_counter()
    status = WAYS[name](name, ports, report, kills)
    seconds = time.perf_counter() - begun
    outputs = written() | {"exit status": bytes([status])}
    digest = hashlib.sha256(repr(sorted(outputs.items())).encode()).hexdigest()
    again = [port for port, times in kills.notes.begun().items() if times > 1]
    errors = sum(LOGS[int(port[1:]) % len(LOGS)] == "absent" for port in again)
    print(
        f"{name:8s} {ports:7,d} {seconds:8.0f} s   {' '.join(kills.done) or '-':13s} "
        f"{kills.twice():6,d} {len(again) - errors:6,d} {errors:7,d} {len(outputs):7,d}   "
        f"{digest[:16]}",
        flush=True,
    )
    return outputs, kills.twice()


@contextlib.contextmanager
def project(ports: int) -> Iterator[None]:
    """Returns a context in a folder with the ports and the executors of the examples."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["XDG_CACHE_HOME"] = str(Path("cache").resolve())
        for file in (ROOT / "examples" / "clusters").glob("on_*.py"):
            shutil.copy(file, folder)
        write(ports)
        yield


def main() -> int:
    """Returns 1 if outputs differ, or if a kept result was judged again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ports", nargs="?", type=int, default=10_000)
    parser.add_argument("--on", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--report", action="store_true", help="write the report of every port")
    asked = parser.parse_args()
    report = ["--report", str(OUT / "reports")] if asked.report else []
    print("way        ports      whole   killed         twice   lost  errors  outputs  SHA-256")
    with project(asked.ports):
        judged = [judge(name, asked.ports, report) for name in asked.on]
    names = sorted({name for outputs, _ in judged for name in outputs})
    differ = [name for name in names if len({outputs.get(name) for outputs, _ in judged}) > 1]
    twice = sum(twice for _, twice in judged)
    print(f"the bytes DIFFER in {', '.join(differ[:10])}" if differ else "the bytes are the same")
    print(f"{twice} results that a killed command had kept were judged again")
    return 1 if differ or twice else 0


if __name__ == "__main__":
    sys.exit(main())
