"""`--launcher slurm` under Debian's Slurm: one machine with two tasks, and two machines."""

import os
import shlex
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
from machines import (
    LONG,
    Started,
    errors,
    known_losses,
    new_mark,
    nothing_is_left,
    processes,
    small,
    taken_port,
    two_machines,
    wait_for_step,
    wait_for_text,
)  # fmt: skip
from slurmcluster import cluster
from tiny_run import command, losses


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with (
        two_machines(tmp_path_factory.mktemp("machines")) as machines,
        cluster(machines, tmp_path_factory.mktemp("slurm")) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def known(scenes, tmp_path_factory):
    return known_losses(scenes, tmp_path_factory.mktemp("known"))


class Task(NamedTuple):
    pid: int
    parent: int
    job: str


class Training:
    """The command under srun; Slurm gives tasks the environment of srun, so also the mark."""

    def __init__(self, slurm, scenes, tmp_path):
        self.slurm, self.folder, self.scenes = slurm, tmp_path, scenes
        self.mark, self.work_dir = new_mark(), tmp_path / "run"

    def command(self, *args, **small_options):
        return command(
            self.work_dir, small(self.scenes, **small_options), "--no-validate",
            "--device", "cpu", "--launcher", "slurm", "--rendezvous-timeout", "20", *args,
        )  # fmt: skip

    def start(self, *srun, before=(), steps=3, **variables):
        argv = self.slurm.on_a("srun", *srun, *before, *self.command(steps=steps))
        return Started(argv, self.folder, self.mark, **self.slurm.variables, **variables)

    def start_long(self, *srun):
        """Two machines, in the middle of a long run."""
        started = self.start("-N2", "-n2", *srun, steps=LONG)
        wait_for_step(self.work_dir, 0, started)
        return started

    def task(self, number):
        """Returns the process of a rank."""
        (found,) = (
            (pid, had)
            for pid, had in processes(self.mark).items()
            if had.get("SLURM_PROCID") == number
        )
        pid, had = found
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return Task(pid, int(stat.rpartition(")")[2].split()[1]), had["SLURM_JOB_ID"])


@pytest.fixture
def training(slurm, scenes, tmp_path):
    made = Training(slurm, scenes, tmp_path)
    yield made
    assert nothing_is_left(made.mark)


@pytest.mark.parametrize("where", [("-N1", "-n2"), ("-N2", "-n2")])
def test_tasks_of_slurm_train_to_the_known_bits(where, training, known):
    """Neither an address nor a port is given; on two machines the name of the first is used."""
    status, output = training.start(*where).end()
    assert status == 0, output[-3000:]
    assert losses(training.work_dir) == known
    assert output.count("    launcher: slurm\n") == 1
    assert "Warning" not in output


def test_a_batch_script_without_srun_is_told_at_once(training, tmp_path):
    script, output = tmp_path / "job.sh", tmp_path / "job.out"
    script.write_text(f"#!/bin/sh\n{shlex.join(training.command())}\necho status $?\n")
    argv = training.slurm.on_a("sbatch", "-N2", "-n2", "-o", str(output), str(script))
    started = Started(argv, tmp_path, training.mark, **training.slurm.variables)
    assert started.end()[0] == 0
    wait_for_text(output, "status ")
    (error,) = errors(output.read_text())
    assert "no SLURM_STEP_ID: this is the batch script" in error
    assert error.endswith("start the training with srun")
    assert output.read_text().endswith("status 2\n")


def test_a_missing_variable_is_told_by_each_task(training):
    status, output = training.start("-N1", "-n2", before=("env", "-u", "SLURM_LOCALID")).end()
    assert status == 2
    told = "--launcher slurm: found no SLURM_LOCALID in the environment; start the training with"
    assert errors(output) == [f"error: {told} srun"] * 2


def test_a_task_that_fails_before_it_joins_ends_the_other_in_bounded_time(training):
    """Without --kill-on-bad-exit Slurm lets the other task wait."""
    before = (
        "sh",
        "-c",
        '[ "$SLURM_PROCID" = 1 ] && exit 7; exec "$@" --rendezvous-timeout 3',
        "-",
    )
    status, output = training.start("-N2", "-n2", before=before).end()
    assert status == 7
    (error,) = errors(output)
    assert error.startswith("error: rank 1 did not come within 3 s (expected 2, from 0); look at")


def test_a_killed_task_ends_the_other(training):
    started = training.start_long("--kill-on-bad-exit=1")
    os.kill(training.task("1").pid, signal.SIGKILL)
    status, output = started.end(within_s=60)
    assert status != 0
    assert all("no connection to another rank (" in error for error in errors(output))


def test_a_machine_that_dies_or_a_cancelled_job_leaves_no_process(training):
    """The death of the machine is that of Slurm's step there, which cannot end its task.

    Slurm itself notices that after some minutes, so this job is cancelled.
    """
    started = training.start_long()
    task = training.task("1")
    os.kill(task.parent, signal.SIGKILL)
    assert nothing_is_left(training.mark, having="SLURM_PROCID")
    training.slurm.ask("scancel", task.job)
    assert started.end(within_s=60)[0] != 0
    (error,) = errors(started.output.read_text())
    assert "no connection to another rank (" in error


def test_the_port_of_a_job_that_is_taken_is_told(training):
    with taken_port(training.slurm.machines, 15999, training.folder):
        status, output = training.start(
            "-N1", "-n2", "-w", "a", "--kill-on-bad-exit=1", MASTER_PORT="15999"
        ).end()
    assert status != 0
    assert (
        "error: port 15999 is in use by another program on this machine; set MASTER_PORT to a free "
        "port, the same for all"
    ) in errors(output)
