"""`--launcher mpi` under Debian's OpenMPI: on this machine, and on two machines."""

import os
import signal
from pathlib import Path

import pytest
from machines import (
    LONG,
    MARK,
    Started,
    errors,
    known_losses,
    need,
    new_mark,
    nothing_is_left,
    processes,
    small,
    two_machines,
    wait_for_step,
)  # fmt: skip
from tiny_run import command, losses

PASSED = ("PYTHONPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", MARK)
MPIRUN = ("mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "2")


@pytest.fixture(scope="module", autouse=True)
def openmpi():
    need("mpirun")


@pytest.fixture(scope="module")
def known(scenes, tmp_path_factory):
    return known_losses(scenes, tmp_path_factory.mktemp("known"))


class Training:
    """The command under mpirun, which gives other machines the variables that it is told to."""

    def __init__(self, scenes, tmp_path):
        self.folder, self.scenes = tmp_path, scenes
        self.mark, self.work_dir = new_mark(), tmp_path / "run"

    def command(self, *mpirun, before=(), **small_options):
        passed = (word for name in PASSED for word in ("-x", name))
        trained = command(
            self.work_dir, small(self.scenes, **small_options), "--no-validate",
            "--device", "cpu", "--launcher", "mpi", "--rendezvous-timeout", "20",
        )  # fmt: skip
        return [*MPIRUN, *passed, *mpirun, *before, *trained]

    def start(self, *mpirun, **options):
        return Started(self.command(*mpirun, **options), self.folder, self.mark)

    def start_long(self):
        started = self.start(steps=LONG)
        wait_for_step(self.work_dir, 0, started)
        return started


@pytest.fixture
def training(scenes, tmp_path):
    made = Training(scenes, tmp_path)
    yield made
    assert nothing_is_left(made.mark)


def test_ranks_of_mpirun_train_to_the_known_bits(training, known):
    status, output = training.start().end()
    assert status == 0, output[-3000:]
    assert losses(training.work_dir) == known
    assert output.count("    launcher: mpi\n") == 1
    assert "Warning" not in output


def test_two_machines_need_the_address_of_the_first(training, known, tmp_path):
    """OpenMPI starts the ranks by ssh; here the shell on the other machine is its agent."""
    with two_machines(tmp_path) as machines:
        agent = tmp_path / "agent"
        agent.write_text(f'#!/bin/sh\nhost=$1; shift\nexec {tmp_path}/on $host sh -c "$*"\n')
        agent.chmod(0o755)
        hosts = ("--mca", "plm_rsh_agent", str(agent), "-H", "a:1,b:1")
        for address, expected in ((None, 2), ("10.77.0.1", 0)):
            given = () if address is None else ("-x", f"MASTER_ADDR={address}")
            argv = machines.on("a", *training.command(*hosts, *given))
            status, output = Started(argv, tmp_path, training.mark).end()
            assert status == expected, output[-3000:]
            if address is None:
                assert (
                    "error: --launcher mpi: found no MASTER_ADDR, and 1 of 2 ranks on this "
                    "machine; pass the address of the machine of rank 0: mpirun -x "
                    "MASTER_ADDR=ADDRESS"
                ) in errors(output)
    assert losses(training.work_dir) == known


def test_a_rank_that_never_joins_is_named(training):
    before = ("sh", "-c", '[ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec sleep 60; exec "$@"', "-")
    argv = [word if word != "20" else "2" for word in training.command(before=before)]
    status, output = Started(argv, training.folder, training.mark).end()
    assert status == 2
    (error,) = errors(output)
    assert error.startswith("error: rank 1 did not come within 2 s (expected 2, from 0); look at")


def test_a_killed_rank_ends_the_run(training):
    started = training.start_long()
    (pid,) = (
        pid
        for pid, had in processes(training.mark).items()
        if had.get("OMPI_COMM_WORLD_RANK") == "1"
    )
    os.kill(pid, signal.SIGKILL)
    status, output = started.end(within_s=30)
    assert status != 0
    assert all("no connection to another rank (" in error for error in errors(output))


def test_a_killed_mpirun_leaves_no_process(training):
    started = training.start_long()
    started.process.kill()
    assert started.end()[0] == -signal.SIGKILL


def test_two_jobs_on_a_machine_do_not_meet(training, scenes, tmp_path):
    """Neither names a port: each has one that follows from its job."""
    other = Training(scenes, tmp_path)
    other.work_dir = tmp_path / "other"
    both = [one.start(steps=1) for one in (training, other)]
    assert [started.end()[0] for started in both] == [0, 0]
    first, second = (losses(Path(one.work_dir)) for one in (training, other))
    assert first == second
    assert len(first) == 2
