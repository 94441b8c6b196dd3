"""`harness sweep`: what is trained, what is trained again, and what is said of it."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.errors import HarnessError, PolicyError
from harness.storage.baselines import load_runs, open_recording
from harness.sweep.estimate import Estimate
from harness.sweep.manifest import parse, read_sweep
from harness.sweep.plan import plan
from harness.sweep.state import Driver, Store, read_record

ROOT = Path(__file__).parents[1]
SCRIPT = """
import os, random, sys, time
seed, out, steps, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
mode = sys.argv[5:]
with open("started", "a") as file:
    file.write(seed + "\\n")
noise = random.Random(seed)
with open(os.path.join(out, "train.log"), "a") as log:
    for i in range(steps):
        log.write(f"step {i} loss {2 / (i + 1) + 0.01 * noise.random():.6f}\\n")
        log.flush()
        time.sleep(pause)
with open("ended", "a") as file:
    file.write(seed + "\\n")
print("the last line of", seed)
"""
"""A training: its log states every step, and two files count how often a seed began and ended."""


def write(folder, *, seeds="[1, 2, 3]", steps=20, pause=0.0, more="", script=SCRIPT, words=""):
    (folder / "train.py").write_text(script)
    path = folder / "sweep.toml"
    top, tables = re.split(r"^(?=\[)|\Z", more, maxsplit=1, flags=re.MULTILINE)
    path.write_text(
        f"command = '{{python}} train.py {{seed}} {{out}} {steps} {pause} {words}'\n"
        f'log = "{{out}}/train.log"\nsteps = {steps}\n{top}\n'
        f"[axes]\nseed = {seeds}\n{tables}\n"
    )
    return path


def counts(folder, name):
    path = folder / name
    lines = path.read_text().split() if path.exists() else []
    return {seed: lines.count(seed) for seed in lines}


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """Runs the command in a folder; returns its status, output and errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["harness", "sweep", *words])
        with pytest.raises(SystemExit) as leaving:
            main()
        printed = capsys.readouterr()
        return leaving.value.code, printed.out, printed.err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return run


def started(folder, *words):
    """A driver in a separate process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "sweep", "--quiet", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(condition, limit_s=30.0):
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "nothing happened in time"
        time.sleep(0.02)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


# What is trained


def test_every_combination_is_a_run_in_a_folder_with_its_values():
    sweep = parse(
        {"command": "t {seed} {config} {out}", "axes": {"seed": [1, 2], "config": ["a/b.py", "c"]}}
    )
    runs = plan(sweep, Path("/x"))
    assert [run.name for run in runs] == [
        "seed=1,config=a_b.py", "seed=1,config=c", "seed=2,config=a_b.py", "seed=2,config=c",
    ]  # fmt: skip
    assert runs[0].argv("") == ["t", "1", "a/b.py", "/x/runs/seed=1,config=a_b.py"]
    assert [run.ensemble for run in runs[:2]] == ["config=a/b.py", "config=c"]


def test_a_value_with_blanks_and_quotes_stays_one_word():
    sweep = parse({"command": "t '{word} end'", "axes": {"word": ["a 'b\" $HOME"]}})
    assert plan(sweep, Path())[0].argv("") == ["t", "a 'b\" $HOME end"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "lacks command; expected a command"),
        ({"command": "t {sed}"}, "unknown placeholder {sed}; did you mean {seed}?"),
        ({"command": "t {seed} {x}"}, "known: {seed}, {out}, {log}, {name}, {python}; write {{"),
        ({"command": "t {seed} {"}, "braces do not match"),
        ({"command": "t '{seed}"}, "command cannot be split into words: No closing quotation"),
        ({"command": "t"}, "axis seed has 2 values and no run uses it"),
        ({"command": "t {seed:q}"}, "cannot be filled in: Unknown format code"),
        ({"axes": {"seed": []}}, "axes holds []; expected a table of lists"),
        ({"axes": {"seed": [1, 1]}}, "axis seed has 1 twice"),
        ({"axes": {"seed": [True, False]}}, "axes holds"),
        ({"axes": {"out": [1, 2]}}, "'out', which is a placeholder of every run"),
        ({"axes": {"seed": list(range(10_001))}}, "10001 combinations; expected at most 10000"),
        ({"job": 2}, "unknown key 'job'; did you mean 'jobs'?"),
        ({"jobs": 0}, "jobs holds 0; expected a whole number of at least 1"),
        ({"name": "x"}, "the runs seed=1 and seed=2 have the same folder 'x'"),
        ({"name": "../{seed}"}, "'..' begins with '.'"),
        ({"log": "all.log"}, "the runs share the log all.log"),
        ({"ensemble": ["sed"]}, "ensemble has 'sed', which is not an axis; axes: seed"),
        ({"devices": ["a", "a"]}, "devices has a device twice"),
        ({"devices": ["a"], "axes": {"device": ["b"]}}, "`devices` and an axis `device`"),
        ({"record": {}}, "[record] lacks name; expected the name of a baseline"),
        ({"record": {"name": "{seed}"}}, "[record] name holds the unknown"),
        ({"compare": {}}, "[compare] lacks baseline"),
        ({"compare": {"baseline": "b", "rule": [""]}}, "'rule'; did you mean 'rules'?"),
        ({"compare": {"baseline": "b", "allow": ["seed"]}}, "without a reason"),
        ({"compare": {"baseline": "b", "candidate": "c"}}, "the candidate is the ensemble"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_what_was_expected(content, message):
    usual = {} if not content else {"command": "t {seed} {device}", "axes": {"seed": [1, 2]}}
    usual = {"command": "t {seed}", "axes": {"seed": [1, 2]}} if content else {}
    with pytest.raises(PolicyError) as raised:
        plan(parse({**usual, **content}), Path())
    assert message in str(raised.value)


def test_a_mistake_has_the_line_of_its_key(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('command = "t {seed}"\n\njobs = "two"\n[axes]\nseed = [1]\n')
    with pytest.raises(PolicyError, match=r"sweep.toml:3: jobs holds 'two'; expected a whole"):
        read_sweep(path)


def test_two_ensembles_are_not_recorded_under_one_name(tmp_path, call):
    (tmp_path / "sweep.toml").write_text(
        'command = "t {seed} {config}"\n[axes]\nseed = [1, 2]\nconfig = ["a", "b"]\n'
        '[record]\nname = "x"\n'
    )
    status, _, error = call()
    assert (status, "[record] name is 'x' for 2 ensembles; write {config} in it" in error) == (
        2,
        True,
    )


def test_a_dry_run_prints_the_commands_and_makes_nothing(tmp_path, call):
    write(tmp_path, more='[env]\nSOME_SEED = "{seed}"\n')
    status, out, _ = call("--dry-run", "sweep.toml", "--", "--more", "{braces}")
    assert status == 0
    assert out.splitlines()[1].split()[0] == "SOME_SEED=2"
    assert out.splitlines()[1].endswith(
        f"train.py 2 {tmp_path}/runs/seed=2 20 0.0 --more '{{braces}}'"
    )
    assert not (tmp_path / "runs").exists()


# What becomes of it


def test_a_complete_ensemble_is_recorded_and_nothing_is_trained_twice(tmp_path, call):
    write(tmp_path, more='[record]\nname = "gpu"\n')
    status, out, error = call()
    assert (status, out.splitlines()[1]) == (0, "recorded 3 runs in baselines/gpu")
    assert "seed=3: finished in 0 s (3 of 3)" in error
    runs = load_runs(open_recording(tmp_path / "baselines/gpu"))
    assert [len(run.series[0]) for run in runs] == [20, 20, 20]
    status, out, error = call()
    assert (status, out.splitlines()[1]) == (0, "baselines/gpu has these 3 runs already")
    assert "3 of 3 runs were finished before" in error
    assert counts(tmp_path, "started") == {"1": 1, "2": 1, "3": 1}


def test_each_ensemble_is_judged_and_the_worst_verdict_is_the_status(tmp_path, call):
    write(tmp_path, seeds="[1, 2, 3, 4, 5]", steps=60, more='[record]\nname = "gpu"\n')
    assert call()[0] == 0
    more = """out = "port"
[env]
SHIFT = "{shift}"
[compare]
baseline = "gpu"
rules = ["equivalence:margin=10%"]
"""
    script = SCRIPT.replace("2 / (i + 1)", "float(os.environ['SHIFT']) + 2 / (i + 1)")
    path = write(
        tmp_path, seeds="[11, 12, 13, 14, 15]\nshift = [0, 1]", steps=60, more=more, script=script
    )
    status, out, _ = call("--report", "reports", str(path))
    assert status == 1
    assert out.splitlines()[1].startswith("shift=0: pass")
    assert out.splitlines()[2].startswith("shift=1: fail")
    assert (tmp_path / "reports/shift=1/report.html").exists()


def test_what_will_be_refused_after_the_runs_is_said_before_them(tmp_path, call):
    write(tmp_path, more='[record]\nname = "gpu"\n[compare]\nbaseline = "gpu_of_ours"\n')
    error = call("--dry-run")[2]
    assert "[compare] baseline cannot be read, and is needed after the runs: gpu_of_ours" in error
    assert not (tmp_path / "started").exists()
    assert "[compare] baseline cannot" in call("--quiet")[2]
    assert "[compare] baseline cannot" not in call("--quiet")[2]  # no run is left
    write(tmp_path, seeds="[1, 2, 4]", more='[record]\nname = "gpu"\n')
    assert "gpu is recorded already, and these runs will be others" in call("--dry-run")[2]
    write(tmp_path, seeds="[1, 2, 4]", more='[record]\nname = "gpu"\nreplace = true\n')
    assert "recorded already" not in call()[2]


def test_a_run_that_fails_does_not_stop_the_others(tmp_path, call):
    script = SCRIPT.replace("noise =", "if seed == '2': sys.exit('no such luck')\nnoise =")
    path = write(tmp_path, more='[record]\nname = "gpu"\n', script=script)
    status, out, error = call()
    assert (status, out) == (2, f"2 of 3 runs are finished in {tmp_path}/runs\n")
    assert (
        f"seed=2: failed after 0 s: status 1: no such luck; see {tmp_path}/runs/seed=2/output"
        in error
    )
    assert "error: 1 of 3 runs not finished: seed=2; repeat the command to train them" in error
    assert not (tmp_path / "baselines").exists()
    path.with_name("train.py").write_text(SCRIPT)
    assert call()[0] == 0
    assert counts(tmp_path, "ended") == {"1": 1, "2": 1, "3": 1}


def test_fail_fast_starts_no_further_run(tmp_path, call):
    write(tmp_path, script=SCRIPT.replace("noise =", "sys.exit(3)\nnoise ="))
    status, _, error = call("--fail-fast")
    assert (status, counts(tmp_path, "started")) == (2, {"1": 1})
    assert "seed=1: failed after 0 s: status 3 without output" in error


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("steps = steps // 2 if seed == '2' else steps", "ends at step 10 of 20, as `steps`"),
        ("out = out if seed != '2' else '.'", "its command wrote no log; expected"),
        ("steps = 0 if seed == '2' else steps", "train.log: "),
    ],
)  # fmt: skip
def test_a_command_that_ends_well_without_a_complete_log_is_not_finished(
    tmp_path, call, change, reason
):
    write(tmp_path, script=SCRIPT.replace("noise =", f"{change}\nnoise ="))
    status, out, error = call()
    assert (status, out.split()[0]) == (2, "2")
    assert reason in error


def test_a_log_that_was_damaged_later_is_noticed(tmp_path, call):
    write(tmp_path)
    assert call()[0] == 0
    log = tmp_path / "runs/seed=2/train.log"
    log.write_text("".join(log.read_text().splitlines(True)[:5]))
    status, _, error = call()
    assert status == 0
    assert "1 run was begun and not finished, and will be trained: seed=2" in error
    assert counts(tmp_path, "started") == {"1": 1, "2": 2, "3": 1}
    assert len(log.read_text().splitlines()) == 20  # nothing of the old log is left


def test_a_command_that_cannot_be_started_is_named(tmp_path, call):
    (tmp_path / "sweep.toml").write_text('command = "no-such-program {seed}"\n[axes]\nseed = [1]\n')
    status, _, error = call()
    assert (status, "no-such-program cannot be started: No such file or directory" in error) == (
        2,
        True,
    )


def test_what_a_command_prints_is_the_log_if_no_other_is_named(tmp_path, call):
    code = "[print('step', i, 'loss', 1 / (i + {seed})) for i in range(30)]"
    (tmp_path / "sweep.toml").write_text(
        f'command = ["{{python}}", "-c", "{code}"]\nsteps = 30\n[axes]\nseed = [1, 2]\n'
    )
    assert call()[0] == 0
    assert len((tmp_path / "runs/seed=2/output.log").read_text().splitlines()) == 30


def test_the_name_of_a_run_may_have_folders(tmp_path, call):
    write(tmp_path, more='name = "small/{seed:02d}"\n')
    assert call()[0] == 0
    assert (tmp_path / "runs/small/03/train.log").exists()
    assert "3 of 3 runs were finished before" in call()[2]
    assert Store(tmp_path / "runs").names() == ["small/01", "small/02", "small/03"]


def test_an_edited_command_is_said_and_the_other_runs_are_kept(tmp_path, call):
    write(tmp_path, seeds="[1, 2, 3]\nrate = [0.1]", words="{rate}")
    assert call()[0] == 0
    write(tmp_path, seeds="[2, 3, 4]\nrate = [0.1]", words="{rate}", more="jobs = 2\n")
    status, _, error = call()
    assert status == 0
    assert "2 of 3 runs were finished before" in error
    assert "1 run is no longer part of the sweep, and left as before: seed=1,rate=0.1" in error
    write(tmp_path, seeds="[2, 3, 4]\nrate = [0.1]", words="{rate} --twice")
    status, _, error = call()
    assert status == 0
    assert "seed=2,rate=0.1 was trained with another command, and" in error
    assert "will be trained again: --twice is new" in error
    old = list((tmp_path / "runs/.sweep/replaced").iterdir())
    assert sorted(folder.name.rpartition("-")[0] for folder in old) == [
        f"seed={n},rate=0.1" for n in (2, 3, 4)
    ]
    assert all((folder / "train.log").exists() for folder in old)


def test_a_sweep_that_was_moved_is_still_finished(tmp_path, call, monkeypatch):
    first = tmp_path / "first"
    first.mkdir()
    write(first)
    monkeypatch.chdir(first)
    assert call()[0] == 0
    first.rename(tmp_path / "second")
    monkeypatch.chdir(tmp_path / "second")
    status, _, error = call()
    assert (status, "3 of 3 runs were finished before" in error) == (0, True)


def test_files_of_others_are_never_removed(tmp_path, call):
    write(tmp_path)
    mine = tmp_path / "runs/seed=2/notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("keep me")
    status, _, error = call()
    assert (status, mine.read_text()) == (2, "keep me")
    assert "seed=2: holds files that this sweep did not make; move the folder away" in error


def test_a_second_driver_is_refused(tmp_path, call):
    write(tmp_path)
    driver = Driver(Store(tmp_path / "runs"))
    status, _, error = call()
    assert status == 2
    assert f"another `harness sweep` trains into this folder (process {os.getpid()} on" in error
    driver.close()
    assert call()[0] == 0


def test_no_two_runs_share_a_device(tmp_path, call):
    script = f"""
import os, sys, time
device = sys.argv[-1]
os.mkdir(device)  # fails if another run has the device
time.sleep(0.1)
os.rmdir(device)
{SCRIPT}
"""
    path = write(tmp_path, seeds=str(list(range(8))), script=script, words="{device}",
                 more='devices = ["d0", "d1", "d2"]\njobs = 8\n')  # fmt: skip
    assert call(str(path))[0] == 0
    store = Store(tmp_path / "runs")
    used = [store.read(name).shown[-2:] for name in store.names()]
    assert set(used) == {"d0", "d1", "d2"}
    (tmp_path / "started").unlink()
    seeds = '[1, 2, 3]\ndevice = ["d0", "d1"]'
    path = write(tmp_path, seeds=seeds, script=script, words="{device}",
                 more='jobs = 8\nout = "product"\n')  # fmt: skip
    assert call(str(path))[0] == 0
    assert counts(tmp_path, "started") == {"1": 2, "2": 2, "3": 2}


# Interruptions


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_runs_even_if_they_ignore_it(tmp_path, call, number):
    script = f"""
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
other = subprocess.Popen(sleep, start_new_session=True)
with open("pids", "a") as file:
    file.write(f"{{os.getpid()}} {{other.pid}}\\n")
{SCRIPT}
"""
    write(tmp_path, steps=10_000, pause=0.05, script=script, more="jobs = 2\ngrace_s = 0.5\n")
    driver = started(tmp_path)
    wait_until(
        lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 4
    )
    driver.send_signal(number)
    out, _ = driver.communicate(timeout=30)
    assert (driver.returncode, "interrupted, and all runs have ended" in out) == (130, True)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: not any(map(alive, pids)), 5)
    assert len(pids) == 4  # no further run was started


@pytest.mark.parametrize("status", [0, 1])
def test_what_a_command_leaves_running_ends_before_the_device_is_given_on(tmp_path, call, status):
    script = f"""
import os, signal, subprocess, sys
with open("pids", "a") as file:
    for pid in open("pids").read().split() if os.path.exists("pids") else ():
        if os.path.exists(f"/proc/{{pid}}"):
            open("shared", "w").close()
    for apart in (False, True):
        sleep = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        left = subprocess.Popen([sys.executable, "-c", sleep], start_new_session=apart)
        file.write(f"{{left.pid}} ")
{SCRIPT}
sys.exit({status})
"""
    write(tmp_path, seeds="[1, 2]", script=script, words="{device}", more='devices = ["d0"]\n')
    (tmp_path / "sweep.toml").write_text("grace_s = 0.2\n" + (tmp_path / "sweep.toml").read_text())
    code, _, error = call()
    said = error.count("ended 2 processes that its command left running")
    assert (code, said) == (2 * status, 2)
    assert not (tmp_path / "shared").exists()
    assert not any(map(alive, map(int, (tmp_path / "pids").read_text().split())))


def test_a_killed_driver_loses_nothing_and_trains_nothing_twice(tmp_path, call):
    """20 kills at random moments. Only a run in training may begin again."""
    write(
        tmp_path,
        seeds=str(list(range(1, 25))),
        steps=10,
        pause=0.03,
        more='jobs = 3\n[record]\nname = "gpu"\n',
    )
    chance = random.Random(7)
    store, once = Store(tmp_path / "runs"), {}
    for _ in range(20):
        driver = started(tmp_path)
        time.sleep(0.6 + chance.random() * 1.4)
        driver.kill()
        driver.communicate()
        begun = counts(tmp_path, "started")
        finished = [name for name in store.names() if store.read(name).status == 0]
        once |= {name: begun[name.partition("=")[2]] for name in finished if name not in once}
    assert once  # some were finished in time
    status, out, _ = call()
    assert status == 0, out
    runs = load_runs(open_recording(tmp_path / "baselines/gpu"))
    assert [len(run.series[0]) for run in runs] == [10] * 24  # whole logs, each by one process
    begun = counts(tmp_path, "started")
    assert {name: begun[name.partition("=")[2]] for name in once} == once


def test_a_run_of_a_killed_driver_ends_before_the_next_driver_trains(tmp_path, call):
    write(tmp_path, seeds="[1]", steps=100, pause=0.05)
    driver = started(tmp_path)
    wait_until(lambda: counts(tmp_path, "started") == {"1": 1})
    driver.kill()
    driver.communicate()
    status, _, error = call()
    assert (status, counts(tmp_path, "ended")) == (0, {"1": 1})
    assert "1 run was begun and not finished" in error


def test_a_training_that_outlives_its_keeper_is_named(tmp_path, call, monkeypatch):
    monkeypatch.setattr("harness.sweep.resume.WAIT_S", 0.2)
    write(tmp_path, seeds="[1]", steps=400, pause=0.05, more="grace_s = 0\n")
    driver = started(tmp_path)
    record = tmp_path / "runs/.sweep/runs/seed=1.json"
    wait_until(lambda: (known := read_record(record)) is not None and known.pid > 0)
    training = read_record(record).pid
    keeper = int(Path(f"/proc/{training}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    out, _ = driver.communicate(timeout=30)
    assert (driver.returncode, "its keeper ended with SIGKILL" in out) == (2, True)
    status, _, error = call()
    assert (status, f"still runs as process {training} on" in error) == (2, True)
    os.kill(training, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(training, 0)
    wait_until(lambda: not alive(training))


def test_an_interrupted_run_goes_on_by_the_words_of_the_sweep(tmp_path, call):
    script = SCRIPT.replace(
        "for i in range(steps):",
        "first = len(open(log.name).readlines()) if mode else 0\n    for i in range(first, steps):",
    )
    write(
        tmp_path, seeds="[1, 2]", steps=40, pause=0.05, script=script, more='resume = "--go-on"\n'
    )
    driver = started(tmp_path)
    log = tmp_path / "runs/seed=1/train.log"
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) > 5)
    driver.terminate()
    driver.communicate()
    before = log.read_text()
    status, _, _ = call()
    assert status == 0
    assert log.read_text().startswith(before)
    assert len(log.read_text().splitlines()) == 40
    assert counts(tmp_path, "ended") == {"1": 1, "2": 1}


def test_a_full_disk_is_named_and_the_other_runs_go_on(tmp_path, call):
    """The folder of a run is a device that accepts no byte."""
    write(tmp_path)
    text = (tmp_path / "sweep.toml").read_text().replace("{out}/train.log", "logs/{seed}.log")
    (tmp_path / "sweep.toml").write_text(text)
    (tmp_path / "train.py").write_text(
        SCRIPT.replace(
            'os.path.join(out, "train.log")', '"/dev/full" if seed == "2" else f"logs/{seed}.log"'
        )
    )
    (tmp_path / "logs").mkdir()
    status, out, error = call()
    assert (status, out.split()[0]) == (2, "2")
    assert (
        "seed=2: failed after 0 s: status 1: OSError: [Errno 28] No space left on device" in error
    )


def test_a_state_that_cannot_be_written_fails_its_run_only(tmp_path, call):
    write(tmp_path)
    blocked = tmp_path / "runs/.sweep/runs/seed=2.json"
    blocked.mkdir(parents=True)
    status, out, error = call()
    assert (status, out.split()[0]) == (2, "2")
    assert "seed=2: failed after 0 s" in error
    assert "seed=2.json: cannot be written" in error


# Executors

EXECUTORS = """
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

def threads():
    return ThreadPoolExecutor(2)

def processes():
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))

def forked():
    return ProcessPoolExecutor(2, mp_context=get_context("fork"))
"""


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_executor_trains_the_same_runs(tmp_path, call, monkeypatch, kind):
    (tmp_path / "sweep_executors.py").write_text(EXECUTORS)
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, more='[record]\nname = "gpu"\n')
    status, out, error = call("--executor", f"sweep_executors:{kind}")
    assert (status, out.splitlines()[1]) == (0, "recorded 3 runs in baselines/gpu"), error
    assert "3 of 3 runs were finished before" in call()[2]


@pytest.mark.parametrize("kind", ["threads", "processes", "forked"])
def test_the_runs_of_an_executor_end_with_the_driver(tmp_path, call, kind):
    (tmp_path / "sweep_executors.py").write_text(EXECUTORS)
    script = "import os\nopen('pids', 'a').write(f'{os.getpid()}\\n')\n" + SCRIPT
    write(tmp_path, steps=10_000, pause=0.05, script=script)
    driver = started(tmp_path, "--executor", f"sweep_executors:{kind}")
    wait_until(
        lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2
    )
    os.kill(driver.pid, signal.SIGKILL)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: not any(map(alive, pids)), 10)
    Driver(Store(tmp_path / "runs")).close()  # the folder is free for the next sweep
    with contextlib.suppress(ProcessLookupError):  # the workers of a killed pool never end
        os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()


def test_devices_of_this_machine_are_refused_with_an_executor(tmp_path, call):
    write(tmp_path, words="{device}", more='devices = ["d0"]\n')
    status, _, error = call("--executor", "concurrent.futures:ThreadPoolExecutor")
    assert (status, "`devices` with --executor: they are devices of this machine" in error) == (
        2,
        True,
    )


# The time left


def test_the_time_left_is_that_of_the_runs_in_training_and_of_those_that_wait():
    estimate = Estimate(2)
    assert estimate.left([("a", 5.0, 0, 0)], 3) is None
    estimate.look("a", 10, 100.0)
    estimate.look("a", 30, 110.0)  # 2 steps a second, 85 s for 30 + 140 steps
    assert estimate.left([("a", 15.0, 30, 170)], 0) == 70.0
    estimate.end("a", 100.0)
    # Two at a time: 40 s and 0 s are left, and three runs of 100 s begin at 0, 40 and 100.
    assert estimate.left([("b", 60.0, 0, 0)], 3) == 200.0


def test_a_driver_that_has_gone_is_noticed(tmp_path):
    from harness.sweep.state import drives

    store = Store(tmp_path / "runs")
    driver = Driver(store)
    assert drives(store.driver_path, driver.token)
    assert not drives(store.driver_path, "another")
    driver.close()
    assert not drives(store.driver_path, driver.token)
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    with pytest.raises(HarnessError, match="symbolic link"):
        Driver(Store(tmp_path / "link"))
