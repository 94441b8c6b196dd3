"""`harness check --executor` on a real Ray cluster and a real Dask cluster (`tox -e clusters`).

The cluster has two worker processes on this machine. A log that is a named pipe holds a worker in
the middle of a check, until the test kills the worker or the driver.
"""

import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fleets import KINDS, write_fleet
from heldlogs import WAIT_S, hold, until

from harness.ports.journal import journal_path

pytest.importorskip("ray", reason="needs Ray (tox -e clusters)")
pytest.importorskip("distributed", reason="needs Dask (tox -e clusters)")
pytest.importorskip("submitit", reason="needs submitit (tox -e clusters)")

ROOT = Path(__file__).parents[1]
PORTS = 42
START = {
    "ray": "import ray\nhere = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\n"
    "address = here.address_info['gcs_address']\n",
    "dask": "from distributed import LocalCluster\nhere = LocalCluster(n_workers=2, "
    "threads_per_worker=1, dashboard_address=':0')\naddress = here.scheduler_address\n",
}
RAY_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""The token of the cluster that the test starts; a driver must present it."""
ADDRESS = {"ray": "RAY_ADDRESS", "dask": "DASK_SCHEDULER_ADDRESS"}


def environment(folder, **more):
    known = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), **RAY_TOKEN}
    return {**os.environ, **known, **more}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, PORTS)
    for file in (ROOT / "examples" / "clusters").glob("on_*.py"):
        shutil.copy(file, folder)
    done = driver(folder, {}, "alone").wait(WAIT_S)
    assert done == 2
    return folder


@pytest.fixture(scope="module", params=["ray", "dask"])
def cluster(request, project):
    """The name of the cluster, and the variable with its address."""
    start = f"if __name__ == '__main__':\n{START[request.param]}print(address, flush=True)\ninput()"
    script = "\n    ".join(start.splitlines())
    (project / f"start_{request.param}.py").write_text(script)
    with subprocess.Popen(
        [sys.executable, f"start_{request.param}.py"],
        cwd=project,
        env=environment(project),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        address = running.stdout.readline().strip()
        assert address
        yield request.param, {ADDRESS[request.param]: address}
        running.stdin.close()
        running.wait(WAIT_S)


def driver(folder, environ, out, *options):
    """Starts a check that writes its outputs into the folder `out`."""
    (folder / out).mkdir(exist_ok=True)
    names = ("gitlab", "comment", "history")
    files = [word for name in names for word in (f"--{name}", f"{out}/{name}")]
    with (folder / out / "stdout").open("w") as stdout, (folder / out / "stderr").open("w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", "check", *files, *options],
            cwd=folder,
            env=environment(folder, **environ),
            stdout=stdout,
            stderr=err,
        )


def outcome(folder, out):
    """Returns what a check wrote, without its times."""
    table = (folder / out / "stdout").read_bytes()
    table = table[
        max(0, table.find(b"  port   verdict")) :
    ]  # before it, Ray reports a worker that died
    texts = [table, *((folder / out / name).read_bytes() for name in ("gitlab", "comment"))]
    with closing(sqlite3.connect(folder / out / "history")) as store:
        rows = [json.loads(t) for (t,) in store.execute("select result from harness_history")]
    for row in rows:
        del row["started"], row["elapsed_s"]
    return [*texts, rows]


def lines_of(folder):
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    path = journal_path(folder / "ports.toml")
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def held(project, monkeypatch):
    """The log of one port, which no other port has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    manifest = project / "ports.toml"
    text = manifest.read_text()
    yield hold(project)
    manifest.write_text(text)


def executor(name):
    return ("--executor", f"on_{name}:make_executor")


def test_a_cluster_gives_the_bytes_of_one_machine(project, cluster):
    name, environ = cluster
    assert driver(project, environ, name, *executor(name)).wait(WAIT_S) == 2
    assert outcome(project, name) == outcome(project, "alone")


def test_a_worker_that_is_killed_in_mid_check_loses_no_port(project, cluster, held):
    name, environ = cluster
    out = f"{name}-worker"
    running = driver(project, environ, out, *executor(name))
    worker = held.reader()
    assert worker != running.pid
    held.put_back()
    os.kill(worker, signal.SIGKILL)
    held.let_go()
    assert running.wait(WAIT_S) == 2
    assert same_but_for_the_name(outcome(project, out), outcome(project, "alone"))


def test_a_driver_that_is_killed_goes_on_and_judges_no_port_twice(project, cluster, held):
    name, environ = cluster
    out = f"{name}-driver"
    running = driver(project, environ, out, *executor(name))
    held.reader()
    errors = sum(KINDS[i % len(KINDS)] in {"error", "absent"} for i in range(PORTS))
    until(lambda: True if len(lines_of(project)) == PORTS - errors - 1 else None)
    running.kill()
    running.wait()
    before = [json.loads(json.loads(line)["result"]) for line in lines_of(project)]
    held.put_back()
    held.let_go()
    assert driver(project, environ, out, *executor(name), "--resume").wait(WAIT_S) == 2
    said = (project / out / "stderr").read_text()
    assert f"{len(before)} of {PORTS} ports were already judged" in said
    assert same_but_for_the_name(outcome(project, out), outcome(project, "alone"))
    with closing(sqlite3.connect(project / out / "history")) as store:
        rows = [json.loads(t) for (t,) in store.execute("select result from harness_history")]
    when = {row["port"]: (row["started"], row["elapsed_s"]) for row in rows}
    assert all(when[b["port"]] == (b["started"], b["elapsed_s"]) for b in before)


def test_every_output_has_the_same_bytes_in_all_ways_although_processes_are_killed():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.same_bytes", str(4 * PORTS)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=4 * WAIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:-2]]
    assert [row[0] for row in rows] == ["machine", "shards", "ray", "dask"]
    assert [row[4:-5] for row in rows] == [["-"], ["shard"], *[["worker", "driver"]] * 2]


def test_jobs_of_submitit_print_the_table_of_one_machine(project):
    script = (ROOT / "examples" / "clusters" / "on_submitit.py").read_text()
    assert "SHARDS = 8\n" in script
    (project / "on_submitit.py").write_text(script.replace("SHARDS = 8\n", "SHARDS = 2\n"))
    done = subprocess.run(
        [sys.executable, "on_submitit.py", "local"],
        cwd=project,
        env=environment(project),
        capture_output=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode == 2
    assert done.stdout == (project / "alone" / "stdout").read_bytes()


def same_but_for_the_name(one, other):
    """Returns whether two outcomes are equal; `held.log` has the content of `pass.log`."""
    return json.dumps(one, default=bytes.decode).replace("held.log", "pass.log") == json.dumps(
        other, default=bytes.decode
    ).replace("held.log", "pass.log")
