"""Processes that work for a check end with it, and take nothing else along."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from loglines import decaying, records

from harness.system.workers import Lost, each

ROOT = Path(__file__).parents[1]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def work(thing):
    """What a process does with a thing: its double, or something worse."""
    if thing == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if thing == "hang":
        time.sleep(600)
    if thing == "print":
        print("noise", flush=True)
        os.write(2, b"noise")
    return thing * 2


def results(things, *, workers=2, limit_s=120):
    with closing(each(work, things, workers=workers, limit_s=limit_s)) as found:
        return dict(found)


def test_one_that_dies_costs_its_own_thing_only():
    found = results([1, 2, "die", 3, 4])
    assert found == {1: 2, 2: 4, "die": Lost.DIED, 3: 6, 4: 8}
    assert results(["die"]) == {"die": Lost.DIED}


def test_one_that_hangs_costs_its_own_thing_only():
    begun = time.monotonic()
    found = results(["hang", 1, 2, 3], limit_s=8)
    assert found == {"hang": Lost.LATE, 1: 2, 2: 4, 3: 6}
    assert time.monotonic() - begun < 90


def test_processes_print_nothing(capfd):
    assert results(["print", 1]) == {"print": "printprint", 1: 2}
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_children_of_the_calling_program_are_left_alone():
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    child.start()
    try:
        found = each(work, ["hang", "hang", 1], workers=2, limit_s=600)
        with closing(found):
            pass
        started = each(work, [1, "hang", "hang"], workers=2, limit_s=600)
        with closing(started):
            assert next(started) == (1, 2)
        assert child.is_alive()
        assert multiprocessing.active_children() == [child]
    finally:
        child.kill()
        child.join()


def stays(group):
    """The processes of a group that are not just waiting to be collected."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


@LINUX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_no_process_of_a_check_that_is_killed_stays_or_holds_its_output(tmp_path, number):
    (tmp_path / "gpu.log").write_text(records(decaying(60)))
    ports = []
    for i in range(6):
        os.mkfifo(tmp_path / f"{i}.log")  # nobody writes into them: the check cannot end by itself
        ports.append(f'[[port]]\nname = "p{i}"\nbaseline = "gpu.log"\ncandidate = "{i}.log"\n')
    (tmp_path / "ports.toml").write_text("".join(ports))
    writers = [os.open(tmp_path / f"{i}.log", os.O_RDWR) for i in range(6)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    running = subprocess.Popen(
        [sys.executable, "-m", "harness", "check"],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509  (nohup)
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len(stays(running.pid)) < 3:
            time.sleep(0.1)
        time.sleep(3)  # into the work
        assert len(stays(running.pid)) >= 3
        running.send_signal(number)
        running.communicate(timeout=30)  # ends when the last holder of the pipes does
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and stays(running.pid):
            time.sleep(0.1)
        assert stays(running.pid) == []
        assert running.returncode != 1
    finally:
        for left in stays(running.pid):
            os.kill(left, signal.SIGKILL)
        for writer in writers:
            os.close(writer)
