"""`harness check --shard` under Debian's Slurm: the array job and the jobs of submitit.

A held log keeps a job in the middle of a port, until Slurm cancels or requeues the job. The clocks
of all checks are stopped, so their reports can be compared byte for byte.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fleets import write_fleet
from heldlogs import WAIT_S, Held, hold, until
from machines import two_machines
from slurmcluster import cluster

from benchmarks.killing import Notes

ROOT = Path(__file__).parents[1]
CLUSTERS = ROOT / "examples" / "clusters"
PORTS = 16
SHARDS = 8
INDEX = "reports: reports/index.html\n"
SACCT = """\
#!/bin/sh
# Slurm's accounting needs a database; squeue knows the same of jobs that ended minutes ago.
echo 'JobID|State|NodeList'
exec squeue --noheader --array --states=all --format='%i|%T|%N'
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with (
        two_machines(tmp_path_factory.mktemp("machines")) as machines,
        cluster(machines, tmp_path_factory.mktemp("slurm")) as made,
    ):
        yield made


class Fleet:
    """A folder with ports, which both machines see, and the commands in it."""

    def __init__(self, folder, slurm):
        self.folder, self.slurm = folder, slurm
        self.notes = Notes(folder / "notes")
        programs = folder / "bin"
        programs.mkdir()
        harness = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m harness "$@"\n'
        for name, text in (("harness", harness), ("sacct", SACCT)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        path = os.pathsep.join([str(ROOT / "benchmarks" / "stopped"), str(ROOT)])
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI_"))},
            **slurm.variables,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": path,
            "FLEET_NOTES": str(folder / "notes"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "HARNESS_DATE": "2026-01-01",
            "HARNESS_COMMIT": "c" * 40,
        }

    def start(self, *argv):
        """Starts a command on machine `a`."""
        return subprocess.Popen(
            self.slurm.on_a(*argv),
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *argv):
        """Returns the output of a command that succeeds."""
        running = self.start(*argv)
        out, err = running.communicate(timeout=WAIT_S)
        assert running.returncode == 0, err
        return out.strip()

    def states(self, job):
        """Returns the state of each task of a job."""
        rows = self.call("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%i %T").splitlines()
        return dict(row.split() for row in rows)

    def ended(self, job):
        """Returns the states of a job's tasks once all have ended."""
        going = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED"}

        def states():
            found = self.states(job)
            return found if found and not going & set(found.values()) else None

        return until(states)

    def judged(self):
        """Returns how often the judging of each port ended."""
        return Counter(port for _, word, port in self.notes.lines() if word == "ends")

    def reports(self):
        """Returns every file of the report folder."""
        paths = sorted(path for path in (self.folder / "reports").rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def alone(slurm, tmp_path_factory):
    """The fleet that one machine judged, with its `table` and `files`."""
    folder = tmp_path_factory.mktemp("alone")
    write_fleet(folder, PORTS)
    hold(folder).put_back()
    fleet = Fleet(folder, slurm)
    running = fleet.start("harness", "check", "--report", "reports")
    table, _ = running.communicate(timeout=WAIT_S)
    assert running.returncode == 2
    fleet.table = table.removesuffix(INDEX)
    fleet.files = fleet.reports()
    return fleet


@pytest.fixture
def fleet(alone, tmp_path):
    """The same fleet, not judged, with one log held."""
    for file in (alone.folder / "ports.toml", *alone.folder.glob("*.log")):
        shutil.copy(file, tmp_path)
    for name in ("slurm.sh", "on_submitit.py"):
        shutil.copy(CLUSTERS / name, tmp_path)
    fleet = Fleet(tmp_path, alone.slurm)
    fleet.held = Held(tmp_path / "held.log")
    return fleet


def task_of(pid):
    """Returns the job and the number of the array's task that a process belongs to."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    had = dict(entry.decode().split("=", 1) for entry in entries if b"=" in entry)
    return had["SLURM_ARRAY_JOB_ID"], had["SLURM_ARRAY_TASK_ID"]


def held_task(fleet):
    """Returns the task in the middle of the held port, once every other port is judged."""
    fleet.reader = fleet.held.reader()
    task = task_of(fleet.reader)
    until(lambda: True if len(fleet.judged()) == PORTS - 1 else None)
    fleet.held.put_back()
    return task


def let_the_dead_go(fleet):
    """Waits for the end of the process that reads the held log; it must not read to the end."""
    until(lambda: None if Path(f"/proc/{fleet.reader}").exists() else True)
    fleet.held.let_go()


def merged(fleet, job):
    """Merges by a job that waits for the array, as slurm.sh says, and returns its output."""
    (words,) = re.findall(r"sbatch (--dependency=.*)", (fleet.folder / "slurm.sh").read_text())
    argv = shlex.split(words.replace('"$id"', job))
    merge = fleet.call("sbatch", "--parsable", "--output=merged", *argv)
    assert set(fleet.ended(merge).values()) == {"FAILED"}  # exits with 2: a port is an error
    return (fleet.folder / "merged").read_text()


def test_an_array_job_with_a_task_that_is_requeued_writes_what_one_machine_does(fleet, alone):
    job = fleet.call("sbatch", "--parsable", "slurm.sh")
    _, task = held_task(fleet)
    before = fleet.judged()
    fleet.call("scontrol", "requeue", f"{job}_{task}")
    let_the_dead_go(fleet)
    until(lambda: True if fleet.states(job).get(f"{job}_{task}") == "PENDING" else None)
    # Slurm lets a requeued job wait for two minutes.
    fleet.call("scontrol", "update", f"JobId={job}_{task}", "StartTime=now")
    assert fleet.ended(job) == {f"{job}_{n}": "COMPLETED" for n in range(1, SHARDS + 1)}
    # The port that shares the shard with the held one is not judged again.
    assert fleet.judged() - before == Counter(fleet.judged().keys() - before.keys())
    assert merged(fleet, job) == alone.table + INDEX
    assert fleet.reports() == alone.files


def test_a_shard_of_an_array_job_that_is_cancelled_is_judged_again_by_its_number(fleet, alone):
    job = fleet.call("sbatch", "--parsable", "slurm.sh")
    _, task = held_task(fleet)
    fleet.call("scancel", f"{job}_{task}")
    let_the_dead_go(fleet)
    assert fleet.ended(job)[f"{job}_{task}"] == "CANCELLED"
    (words,) = re.findall(r"sbatch (--array=3 .*)", (fleet.folder / "slurm.sh").read_text())
    words = words.replace("--array=3", f"--array={task}").replace('"$id"', job)
    again = fleet.call("sbatch", "--parsable", *shlex.split(words))
    assert set(fleet.ended(again).values()) == {"COMPLETED"}
    assert merged(fleet, again) == alone.table + INDEX
    assert fleet.reports() == alone.files


def test_jobs_of_submitit_of_which_one_is_cancelled_print_the_table_of_one_machine(fleet, alone):
    pytest.importorskip("submitit", reason="needs submitit (tox -e clusters)")
    running = fleet.start(sys.executable, "on_submitit.py", "slurm")
    job, task = held_task(fleet)
    fleet.call("scancel", f"{job}_{task}")
    let_the_dead_go(fleet)
    out, err = running.communicate(timeout=WAIT_S)
    assert running.returncode == 2, err
    assert f"job {job}_{task} has no results; it is submitted again" in err
    assert set(fleet.states(job).values()) == {"COMPLETED", "CANCELLED"}
    assert out == alone.table
