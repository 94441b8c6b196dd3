"""`harness check --executor`: any `concurrent.futures.Executor` gives what one machine does."""

import json
import os
import signal
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fleets import KINDS, call, outputs, stop_clocks, write_fleet, written
from test_harness_checking import Deadly

from harness import HarnessError
from harness.log.quiet import without_warnings
from harness.ports.check import Task, check_ports
from harness.ports.journal import journal_path
from harness.ports.manifest import read_manifest
from harness.ports.remote import HOPELESS, Sent, check_by_executor, check_sent
from harness.system.executors import each, load
from harness.version import tool_version

MODULE = """
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

def threads():
    return ThreadPoolExecutor(4)

def processes():
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))

def other():
    return object()

def broken():
    raise RuntimeError("no cluster\\nat this address")

class Jobs(Executor):
    def submit(self, *_):
        return "a job"

class Lost(Executor):
    def submit(self, *_):
        future = Future()
        future.set_exception(OSError("\\x1b[36mno package\\x1b[0m harness"))
        return future

class Stopped(ThreadPoolExecutor):
    def submit(self, work, sent):
        if sent.task.port.name == "p2":
            raise KeyboardInterrupt
        return super().submit(work, sent)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stop_clocks(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_cluster", raising=False)
    (tmp_path / "my_cluster.py").write_text(MODULE)
    return tmp_path


def refused(*words):
    with pytest.raises(HarnessError) as caught:
        call(*words)
    return str(caught.value)


def untimed(folder, results):
    return sorted(replace(r, started="", elapsed_s=0.0).to_json() for r in results)


def test_threads_write_the_bytes_of_one_machine(here):
    write_fleet(here, 2 * len(KINDS))
    options = ("--report", "out/reports", *outputs(Path("out")))
    Path("out").mkdir()
    alone = (*call("check", *options), *written(Path("out")))
    Path("out").rename("alone")
    threads = call("check", "--executor", "my_cluster:threads", *options)
    assert (*threads, *written(Path("out"))) == alone


def test_processes_give_the_results_of_one_machine(here):
    write_fleet(here, 3 * len(KINDS))
    tasks = [
        Task(port=port, manifest=Path("ports.toml"), line=1)
        for port in read_manifest(Path("ports.toml")).port
    ]
    alone = untimed(here, check_ports(tasks, workers=1))
    make = load("my_cluster:processes")
    assert untimed(here, (c.result for c in check_by_executor(tasks, make))) == alone


def test_shards_take_an_executor_too(here):
    write_fleet(here, 12)
    alone = call("check")
    for index in (1, 2, 3):
        call("check", "--shard", f"{index}/3", "--executor", "my_cluster:threads", "-q")
    assert call("merge") == alone


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("my_cluster", "not an import path; expected MODULE:CALLABLE"),
        ("my_cluster:", "not an import path"),
        ("my cluster:threads", "not an import path"),
        ("../my_cluster:threads", "not an import path"),
        ("absent_cluster:f", "absent_cluster cannot be imported: ModuleNotFoundError"),
        ("my_cluster:absent", "my_cluster has no callable absent"),
        ("my_cluster:MODULE.absent", "my_cluster has no callable MODULE.absent"),
        ("my_cluster:other", "returned object; expected an object of concurrent.futures.Executor"),
        ("my_cluster:broken", "the call failed: RuntimeError: no cluster at this address"),
        ("my_cluster:Jobs", "`submit` returned str; expected an object of concurrent.futures.F"),
    ],
)
def test_what_is_no_executor_is_refused_in_one_line(here, name, why):
    write_fleet(here, 2)
    message = refused("check", "--executor", name)
    assert why in message
    assert "\n" not in message


def test_an_installed_module_comes_before_one_of_the_checkout(here, monkeypatch):
    installed = here / "installed"
    installed.mkdir()
    (installed / "my_cluster.py").write_text(
        "def threads():\n    raise RuntimeError('installed')\n"
    )
    monkeypatch.syspath_prepend(str(installed))
    write_fleet(here, 1)
    assert "installed" in refused("check", "--executor", "my_cluster:threads")


def test_a_limit_is_refused_because_the_workers_are_not_ours(here):
    write_fleet(here, 1)
    message = refused("check", "--executor", "my_cluster:threads", "--limit", "5")
    assert message.startswith("--limit with --executor")


def test_an_executor_that_runs_nothing_ends_the_check(here):
    write_fleet(here, HOPELESS)
    message = refused("check", "--executor", "my_cluster:Lost")
    assert message.startswith(
        f"the executor ran none of the first {HOPELESS} ports: OSError: no package h"
    )
    write_fleet(here, HOPELESS - 1)
    status, table = call("check", "--executor", "my_cluster:Lost")
    assert status == 2
    assert "the executor lost the worker" in " ".join(table.split())


def sent(here, **fields):
    port = read_manifest(here / "ports.toml").port[0]
    task = Task(port=port, manifest=Path("ports.toml"), line=1)
    known = {"task": task, "folder": str(here), "version": tool_version()}
    return Sent(**{**known, **fields})


def test_a_worker_that_would_read_other_files_or_has_another_version_judges_nothing(here):
    write_fleet(here, 1)
    assert check_sent(sent(here)).result.verdict == "pass"
    assert check_sent(sent(here, version="9.9")) == (
        f"a worker has harness {tool_version()}, and this check 9.9; install one version on every "
        "machine"
    )
    elsewhere = sent(here, folder="/elsewhere")
    assert check_sent(elsewhere).startswith(f"a worker runs in {here}, and this check in /elsewhe")
    whole = replace(elsewhere.task, manifest=here / "ports.toml")
    assert check_sent(replace(elsewhere, task=whole)).result.verdict == "pass"
    reported = replace(whole, report=Path("reports/p0"))
    assert isinstance(check_sent(replace(elsewhere, task=reported)), str)


def test_an_interrupted_check_keeps_its_results_and_goes_on(here, monkeypatch, capsys):
    write_fleet(here, 7)
    monkeypatch.setattr(each, "__kwdefaults__", {"width": 1})
    with pytest.raises(SystemExit) as ended:
        call("check", "--executor", "my_cluster:Stopped")
    assert ended.value.code == 130
    kept = journal_path(Path("ports.toml")).read_text().splitlines()
    assert [json.loads(json.loads(line)["result"])["port"] for line in kept] == ["p0", "p1"]
    status, table = call("check", "--executor", "my_cluster:threads", "--resume")
    assert "2 of 7 ports were already judged" in capsys.readouterr().err
    assert (status, table) == call("check")


def test_threads_that_hide_warnings_leave_the_filters_as_they_were():
    before = [*warnings.filters]
    inside, both, left = (threading.Event() for _ in range(3))

    def first():
        with without_warnings("x"):
            inside.set()
            both.wait(0.5)  # the second thread must not get in meanwhile
        left.set()

    def second():
        inside.wait()
        with without_warnings("y"):
            both.set()
            left.wait()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(first), pool.submit(second)]:
            future.result()
    assert warnings.filters == before


# Pools that lose a worker


def squared(number):
    if number % 100 == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def two_processes():
    from multiprocessing import get_context

    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_thing_that_kills_its_worker_is_the_only_one_without_a_result():
    outcomes = list(each(squared, range(60), make=two_processes, width=32))
    assert Counter(thing for thing, _ in outcomes) == Counter(range(60))
    assert {thing for thing, result in outcomes if isinstance(result, Exception)} == {13}
    assert all(result == thing * thing for thing, result in outcomes if thing != 13)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_port_that_kills_its_worker_is_an_error_of_its_own(here, monkeypatch):
    monkeypatch.setenv("HARNESS_TEST_PARENT", str(os.getpid()))
    write_fleet(here, 8)
    tasks = [
        Task(port=port, manifest=Path("ports.toml"), line=1)
        for port in read_manifest(Path("ports.toml")).port
    ]
    tasks[0] = replace(tasks[0], port=Deadly(**tasks[0].port.model_dump()))
    results = {c.result.port: c.result for c in check_by_executor(tasks, two_processes)}
    assert (
        results["p0"]
        .reasons[0]
        .startswith("the executor lost the worker that judged it (BrokenProcessPool: ")
    )
    assert [results[f"p{i}"].verdict for i in range(1, 8)] == [
        "pass", "fail", "inconclusive", "incomparable", "error", "error", "pass",
    ]  # fmt: skip


def test_an_executor_has_a_bounded_number_of_things_at_a_time():
    class Counting(Executor):
        most = now = 0

        def submit(self, work, thing):
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)
            future = Future()
            future.set_result(work(thing))
            return future

    stream = each(abs, range(50), make=Counting, width=5)
    for _ in stream:
        Counting.now -= 1
    assert Counting.most == 5


def test_closing_the_results_cancels_what_has_not_begun():
    begun = []
    stream = each(begun.append, range(1000), make=lambda: ThreadPoolExecutor(1))
    next(stream)
    stream.close()
    assert len(begun) < 1000
