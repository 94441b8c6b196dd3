"""Threads of torch: how many a machine gives, and that waiting ones sleep."""

import math
import subprocess
import sys

import pytest
import torch
from tiny_run import ROOT, command, environment, losses, options

from model import threads
from model.hooks.progress import Pace, duration


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, math.inf),
        ({"cpu.max": "max 100000\n"}, math.inf),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "nonsense\n"}, math.inf),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
    ],
)
def test_the_quota_of_a_container_is_read(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.quota(tmp_path) == expected
    bound = threads.cpus(tmp_path / "none")
    assert threads.cpus(tmp_path) == min(bound, max(1, math.ceil(min(expected, bound))))


def test_torch_is_asked_for_no_more_threads_than_the_quota_has_and_for_no_fewer(
    tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads.settle(tmp_path)
    assert asked == [3]
    threads.settle(tmp_path / "none")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    threads.settle(tmp_path)
    assert asked == [3]


def test_a_users_own_policy_comes_first():
    given: dict[str, str] = {}
    threads.wait_without_spinning(given)
    assert given == {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
    own = {"OMP_WAIT_POLICY": "active"}
    threads.wait_without_spinning(own)
    assert own["OMP_WAIT_POLICY"] == "active"
    spinning = {"GOMP_SPINCOUNT": "1000"}
    threads.wait_without_spinning(spinning)
    assert spinning == {"GOMP_SPINCOUNT": "1000"}


def test_a_command_has_settled_it_before_torch_is_imported():
    probe = "import os, sys; print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    code = f"import sys; sys.argv = ['-m']; import model; exec({probe!r})"
    clean = {k: v for k, v in environment().items() if not k.startswith(("OMP", "GOMP", "KMP"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "passive False\n"
    library = [sys.executable, "-c", f"import model; {probe}"]
    done = subprocess.run(library, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    assert done.stdout == "None False\n"


def test_sleeping_threads_compute_the_same_bits_and_the_run_says_so(scenes, tmp_path):
    found = {}
    for policy in ("active", "passive"):
        argv = command(tmp_path / policy, options(scenes, steps=3), "--no-validate")
        env = environment(OMP_NUM_THREADS="2", MKL_NUM_THREADS="2", OMP_WAIT_POLICY=policy)
        done = subprocess.run(
            [*argv, "--device", "cpu"] if "--device" not in argv else argv, cwd=tmp_path, env=env,
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        first = done.stdout.partition("\n")[0]
        assert ("which sleep while they wait" in first) == (policy == "passive")
        found[policy] = losses(tmp_path / policy)
    assert found["active"] == found["passive"]


def test_the_time_left_is_told_after_the_first_step_and_then_without_it():
    pace = Pace(done=0, started=100.0)
    assert pace.left(1, 11, 110.0) == 100.0
    assert pace.left(2, 11, 111.0) == 9.0
    assert pace.left(6, 11, 115.0) == 5.0
    resumed = Pace(done=100, started=0.0)
    assert resumed.left(101, 111, 2.0) == 20.0
    assert [duration(s) for s in (4.4, 89, 100, 3600, 9000)] == [
        "4 s",
        "89 s",
        "2 min",
        "1 h 0 min",
        "2 h 30 min",
    ]
