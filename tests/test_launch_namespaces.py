"""`--launcher pytorch` over two machines, and over one whose name does not resolve."""

import os
import signal
import time

import pytest
from machines import (
    ADDRESSES,
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
)  # fmt: skip
from tiny_run import command, losses

PORT = "29400"


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    with two_machines(tmp_path_factory.mktemp("machines")) as made:
        yield made


class Training:
    """The command on both machines, with a time limit that no test reaches but those that wait."""

    def __init__(self, machines, scenes, tmp_path):
        self.machines, self.folder, self.scenes = machines, tmp_path, scenes
        self.mark, self.work_dir = new_mark(), tmp_path / "run"

    def start(self, machine, number, *args, address="10.77.0.1", wait_s=60, **small_options):
        argv = command(
            self.work_dir, small(self.scenes, **small_options), "--no-validate",
            "--device", "cpu", "--launcher", "pytorch", "--nnodes", "2", "--nproc-per-node", "1",
            "--node-rank", str(number), "--master-addr", address, "--master-port", PORT,
            "--rendezvous-timeout", str(wait_s), *args,
        )  # fmt: skip
        return Started(self.machines.on(machine, *argv), self.folder, self.mark)

    def start_both(self, **options):
        """Both machines, in the middle of a long run."""
        a, b = (self.start(name, n, steps=LONG, **options) for n, name in enumerate("ab"))
        wait_for_step(self.work_dir, 0, a)
        return a, b

    def rank(self, number):
        """Returns the process of a rank."""
        (pid,) = (
            pid for pid, had in processes(self.mark).items() if had.get("RANK") == str(number)
        )
        return pid


@pytest.fixture
def training(machines, scenes, tmp_path):
    made = Training(machines, scenes, tmp_path)
    yield made
    assert nothing_is_left(made.mark)


def test_two_machines_train_to_the_bits_of_one_and_wait_for_the_late_one(
    training, machines, scenes, tmp_path
):
    """Debian writes a machine's own name as 127.0.1.1, which gloo would take."""
    for name in ADDRESSES:
        machines.name(name, **{name: "127.0.1.1"})
    try:
        b = training.start("b", 1)
        time.sleep(3)
        a = training.start("a", 0)
        assert [a.end()[0], b.end()[0]] == [0, 0]
    finally:
        for name in ADDRESSES:
            machines.name(name)
    assert losses(training.work_dir) == known_losses(scenes, tmp_path)
    assert len(losses(training.work_dir)) == 6


def test_a_name_that_leads_each_machine_to_itself_is_refused(training, machines):
    machines.name("a", a="127.0.1.1")
    try:
        both = training.start("a", 0, address="a"), training.start("b", 1, address="a")
        for started in both:
            status, output = started.end()
            assert status == 2
            assert "on a the address of rank 0 is 127.0.0.1" in errors(output)[0]
            assert "give it as an IP address" in errors(output)[0]
    finally:
        machines.name("a")


def test_a_machine_that_never_comes_is_named_after_the_time_allowed(training):
    status, output = training.start("a", 0, wait_s=2).end()
    assert status == 2
    assert errors(output) == [
        "error: machine 1 did not come within 2 s (expected 2, from 0); look at its output, start "
        "it, or wait longer with --rendezvous-timeout SECONDS"
    ]


def test_a_wrong_address_is_told_with_its_reason(training):
    wrong = {
        ("b", 1, "10.77.0.1"): "(Connection refused); start it there, or set --master",
        ("b", 1, "nowhere"): "name resolution); start it there",
        ("a", 0, "10.77.0.2"): "machine 0 does not reach itself at 10.77.0.2:29400",
    }
    for (machine, number, address), said in wrong.items():
        status, output = training.start(machine, number, address=address, wait_s=1).end()
        assert status == 2
        assert len(errors(output)) == 1
        assert said in output


def test_a_taken_port_is_told_on_both_machines(training, machines, tmp_path):
    with taken_port(machines, int(PORT), tmp_path):
        a, b = training.start("a", 0), training.start("b", 1)
        status, output = a.end()
        assert status == 2
        assert errors(output) == [
            "error: port 29400 is in use by another program on this machine; set --master-port to "
            "a free port, the same for all"
        ]
        status, output = b.end(within_s=75)  # which never gets an answer
        assert status == 2
        assert "what answered at 10.77.0.1:29400 is not machine 0 of this run" in errors(output)[0]


def test_machines_that_count_differently_all_say_so(training):
    both = training.start("a", 0), training.start("b", 1, "--nnodes", "3")
    for started in both:
        status, output = started.end()
        assert status == 2
        (error,) = errors(output)
        assert error.startswith("error: --nnodes is ")
        assert "2 on a" in error
        assert "3 on b" in error
        assert error.endswith("; expected the same number everywhere")


def test_a_killed_rank_ends_both_machines(training):
    a, b = training.start_both()
    os.kill(training.rank(1), signal.SIGKILL)
    (status_a, output_a), (status_b, output_b) = a.end(within_s=60), b.end(within_s=60)
    assert (status_a, status_b) == (1, 1)
    assert errors(output_b) == [
        "error: rank 1 was ended by SIGKILL (is there enough memory?); go on with --resume auto"
    ]
    lost, ended = errors(output_a)
    assert "no connection to another rank (" in lost
    assert "/gloo/" not in lost
    assert ended == "error: rank 0 ended with status 1; its message is above"


def test_a_machine_that_dies_leaves_no_process_on_either(training):
    """Its command is killed, which cannot end its ranks; the system does."""
    a, b = training.start_both()
    a.process.kill()
    assert a.end()[0] == -signal.SIGKILL
    status, output = b.end(within_s=60)
    assert status == 1
    assert "no connection to another rank (" in errors(output)[0]


def test_a_cut_cable_ends_both_machines_after_the_time_of_a_collective(training, machines):
    both = training.start_both(timeout_s=4)
    machines.wire("down")
    try:
        for started in both:
            status, output = started.end(within_s=40)
            assert status == 1
            assert "no connection to another rank (" in errors(output)[0]
    finally:
        machines.wire("up")


def test_a_command_that_is_ended_says_so_and_ends_its_ranks(training):
    a, b = training.start_both()
    a.process.terminate()
    status, output = a.end(within_s=60)
    assert status == 128 + signal.SIGTERM
    assert errors(output) == ["ended by SIGTERM, with all ranks of this machine"]
    assert b.end(within_s=60)[0] == 1


def test_one_machine_needs_no_name(machines, scenes, tmp_path):
    """torch hands the machine's name to the ranks; in a container it often does not resolve."""
    machines.name("a", a="")
    argv = command(
        tmp_path / "run", small(scenes), "--no-validate", "--device", "cpu",
        "--launcher", "pytorch", "--nproc-per-node", "2",
    )  # fmt: skip
    try:
        status, output = Started(machines.on("a", *argv), tmp_path, new_mark()).end()
    finally:
        machines.name("a")
    assert status == 0, output[-3000:]
    assert len(losses(tmp_path / "run")) == 6
