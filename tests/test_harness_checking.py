"""`harness check` on many ports: side by side, resumed, and no port takes another down."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commandline import harness
from loglines import decaying, records

from harness import HarnessError
from harness.comparison.result import PortResult
from harness.parse import parse_log
from harness.ports.check import DIED, Task, check_ports
from harness.ports.evidence import content
from harness.ports.journal import Journal, journal_path
from harness.ports.manifest import Port, compare_port, entry_lines, read_manifest
from harness.system.workers import each


class Deadly(Port):
    """A port whose judging kills its process, as the kernel does when memory runs out."""

    def policy(self):
        if os.environ.get("HARNESS_TEST_PARENT") != str(os.getpid()):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().policy()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = decaying(60)
    (tmp_path / "gpu.log").write_text(records(base))
    entries = []
    for i in range(12):
        (tmp_path / f"{i}.log").write_text(records(base * (1.001 + i / 1e5)))
        entries.append(
            f'[[port]]\nname = "p{i}"\nbaseline = "gpu.log"\ncandidate = "{i}.log"\n'
            'rules = ["two-sided"]\n'
        )
    (tmp_path / "3.log").write_text("nothing\n")
    (tmp_path / "ports.toml").write_text("# ports\n\n" + "\n".join(entries))
    return tmp_path


def tasks(project, kind=Port):
    manifest = project / "ports.toml"
    return [
        Task(port=kind(**port.model_dump()), manifest=manifest, line=i)
        for i, port in enumerate(read_manifest(manifest).port)
    ]


def check(project, *options, **kwargs):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "harness", "check", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=project,
        env=env,
        **kwargs,
    )


def test_results_of_two_processes_are_those_of_one(project, monkeypatch):
    started = []
    monkeypatch.setattr(
        "harness.ports.check.each", lambda *a, **k: started.append(k["workers"]) or each(*a, **k)
    )
    alone = {
        r.port: (r.verdict, r.reasons, r.relative_difference)
        for r in check_ports(tasks(project), workers=1)
    }
    both = {
        r.port: (r.verdict, r.reasons, r.relative_difference)
        for r in check_ports(tasks(project), workers=2)
    }
    assert alone == both
    assert started == [2]  # one pool for all of them
    assert [v for v, *_ in alone.values()].count("pass") == 11
    assert alone["p3"][0] == "error"


def test_a_port_that_kills_its_process_is_an_error_of_its_own(project, monkeypatch):
    monkeypatch.setenv("HARNESS_TEST_PARENT", str(os.getpid()))
    several = tasks(project)
    deadly = Task(port=Deadly(**several[5].port.model_dump()), manifest=several[5].manifest, line=9)
    several[5] = deadly
    results = {r.port: r for r in check_ports(several, workers=2)}
    assert len(results) == 12
    assert (results["p5"].verdict, results["p5"].reasons) == ("error", (DIED,))
    assert [r.verdict for r in results.values()].count("pass") == 10


def test_a_fault_of_this_program_is_an_error_of_one_port(project, monkeypatch):
    def fault(port, root):
        if port.name == "p1":
            raise ZeroDivisionError
        return compare_port(port, root)

    monkeypatch.setattr("harness.ports.check.compare_port", fault)
    results = {r.port: r for r in check_ports(tasks(project), workers=1)}
    assert results["p1"].reasons[0].startswith("internal error in harness ")
    assert "ZeroDivisionError: ; please report it" in results["p1"].reasons[0]
    assert results["p2"].verdict == "pass"
    assert [r.verdict for r in results["p1"].rules] == ["error"]


def test_a_result_says_where_its_entry_is_and_when_it_was_judged(project):
    assert entry_lines(project / "ports.toml", 12)[:2] == [3, 9]
    assert entry_lines(project / "ports.toml", 11) == [1] * 11
    result = next(check_ports(tasks(project)[:1]))
    assert result.elapsed_s > 0
    assert result.started.endswith("+00:00")


def test_what_was_judged_before_an_interruption_is_not_judged_again(project):
    first = tasks(project)
    with Journal(project / "ports.toml", resume=False) as journal:
        for task in first[:3]:
            kept = PortResult(port=task.port.name, verdict="pass", reasons=("kept",))
            journal.add(task, kept, content(task.port, project))
    done = check(project, "--resume")
    assert "3 of 12 ports were already judged" in done.stderr
    assert done.returncode == 2  # p3 cannot be read
    assert not journal_path(project / "ports.toml").exists()
    with Journal(project / "ports.toml", resume=True) as journal:
        assert journal.done(first[0]) is None  # a finished check is forgotten


def test_a_changed_log_entry_or_error_is_judged_again(project):
    first = tasks(project)
    with Journal(project / "ports.toml", resume=False) as journal:
        for task in first:
            result = PortResult(port=task.port.name, verdict="pass")
            journal.add(task, result, content(task.port, project))
        journal.add(
            first[3], PortResult(port="p3", verdict="error"), content(first[3].port, project)
        )
    (project / "1.log").write_text(records(decaying(70)))
    text = (
        (project / "ports.toml").read_text().replace('candidate = "2.log"', 'candidate = "4.log"')
    )
    (project / "ports.toml").write_text(text)
    with Journal(project / "ports.toml", resume=True) as journal:
        known = [journal.done(task) is not None for task in tasks(project)]
    assert known == [True, False, False, *[True] * 9]


def test_a_torn_journal_and_a_missing_report_are_no_results(project):
    task = tasks(project)[0]
    with Journal(project / "ports.toml", resume=False) as journal:
        journal.add(task, PortResult(port="p0", verdict="pass"), content(task.port, project))
    path = journal_path(project / "ports.toml")
    path.write_text(path.read_text() + '{"key": "')
    with Journal(project / "ports.toml", resume=True) as journal:
        assert journal.done(task).verdict == "pass"
        reported = Task(
            port=task.port, manifest=task.manifest, line=task.line, report=project / "r"
        )
        assert journal.done(reported) is None


def test_a_folder_that_cannot_be_written_to_stops_no_check(project):
    (project / "cache").write_text("a file where the folder should be")
    done = check(project, "--resume")
    assert done.returncode == 2
    assert "results cannot be kept for --resume" in done.stderr
    assert "p11" in done.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_control_c_ends_with_130_and_the_check_goes_on(project):
    for i in (10, 11):  # nobody writes into them: the check cannot end by itself
        (project / f"{i}.log").unlink()
        os.mkfifo(project / f"{i}.log")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    # a job that a script runs in the background ignores SIGINT, and hands that on
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(
        [sys.executable, "-m", "harness", "check"],
        cwd=project,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, ours)
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and lines_of_journal(project) < 9:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "Traceback" not in errors
    assert re.search(r"interrupted: (9|10) of 12 ports are judged; continue with --resume", errors)
    for i in (10, 11):
        (project / f"{i}.log").unlink()
        (project / f"{i}.log").write_text(records(decaying(60) * 1.001))
    done = check(project, "--resume")
    assert "9 of 12 ports were already judged" in done.stderr  # the error is tried again
    assert done.stdout.count("pass") >= 11


def lines_of_journal(project):
    path = journal_path(project / "ports.toml")
    return path.read_text().count("\n") if path.exists() else 0


@pytest.mark.extra("history")
def test_check_writes_an_index_that_links_every_report(project):
    done = check(project, "--report", "out", "--history", "h.sqlite")
    assert done.returncode == 2
    page = (project / "out" / "index.html").read_text()
    for i in range(12):
        assert (f"./p{i}/report.html" in page) is (i != 3)
        assert (project / "out" / f"p{i}" / "report.html").is_file() is (i != 3)
    assert "difference over time" in page
    assert 'class="trend"' in page


OWN = "17:03 [{step}] cost={loss}\n"


def own_log(values):
    return "".join(OWN.format(step=i, loss=v) for i, v in enumerate(values))


PATTERN = r"\[(?P<step>\d+)\] cost=(?P<loss>\S+)"


def test_a_pattern_of_ones_own_reads_what_no_format_knows(tmp_path):
    with pytest.raises(HarnessError, match="no training record"):
        parse_log([own_log([3.0, 2.0])], source="x")
    run = parse_log([own_log([3.0, 2.5])], source="x", pattern=PATTERN)
    assert run.formats == ("pattern",)
    assert run.find("loss", 0)[0].values.tolist() == [3.0, 2.5]


def test_a_pattern_in_the_manifest_reads_both_sides(tmp_path):
    base = decaying(60)
    (tmp_path / "gpu.log").write_text(own_log(base))
    (tmp_path / "port.log").write_text(own_log(base * 1.001))
    (tmp_path / "ports.toml").write_text(
        "[[port]]\nname = 'p'\nbaseline = 'gpu.log'\ncandidate = 'port.log'\n"
        f"pattern = '{PATTERN}'\n"
    )
    port = read_manifest(tmp_path / "ports.toml").port[0]
    assert compare_port(port, tmp_path).verdict == "pass"
    lost = port.model_copy(update={"pattern": r"nowhere (?P<loss>\d)"})
    (tmp_path / "gpu.log").write_text(records(base))
    (tmp_path / "port.log").write_text(records(base))
    with pytest.raises(HarnessError, match="no line of either side matches"):
        compare_port(lost, tmp_path)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?P<loss>", "is not understood"),
        (r"(?<=x)(?P<loss>\d)", "look-around"),
        (r"(?P<step>\d+)", "names no series"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_its_port(tmp_path, pattern, why):
    (tmp_path / "ports.toml").write_text(
        f"[[port]]\nname = 'p'\nbaseline = 'a'\ncandidate = 'b'\npattern = '''{pattern}'''\n"
    )
    with pytest.raises(HarnessError, match=rf"port p: .*{why}"):
        read_manifest(tmp_path / "ports.toml")


def test_a_pattern_that_explodes_elsewhere_takes_linear_time_here():
    line = "a" * 30_000 + "!\n"
    begun = time.monotonic()
    with pytest.raises(HarnessError):
        parse_log([line] * 20, source="x", pattern=r"(?P<loss>(a+)+)$")
    assert time.monotonic() - begun < 20


def test_damage_under_a_pattern_is_reported_with_its_line():
    text = own_log([3.0]) + "[x] cost=1\n[7] cost=abc\n"
    run = parse_log([text], source="x", pattern=r"\[(?P<step>\w+)\] cost=(?P<loss>\S+)")
    assert [(s.line, s.reason) for s in run.skipped] == [
        (2, "the pattern's step must be whole numbers"),
        (3, "loss 'abc' is not a number; taken as NaN"),
    ]


def test_formats_and_parse_teach(project):
    listed = harness(project, "formats").stdout
    for word in ("tcappdll", "megatron", "hf-trainer", "tensorboard", "pattern", "csv"):
        assert f"\n{word}: " in listed
    (project / "own.log").write_text(own_log([3.0, 2.0]))
    shown = json.loads(
        harness(project, "parse", "own.log", "--pattern", PATTERN, "--json", "-").stdout
    )
    assert shown["formats"] == ["pattern"]
