"""Runs that the client of Weights & Biases wrote offline, read back bit by bit."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from harness.comparison.result import PortResult
from harness.storage.logs import read_run, read_runs
from harness.trackers.publish import Publication

wandb = pytest.importorskip("wandb", reason="needs wandb (`tox -e trackers`)")

pytestmark = pytest.mark.filterwarnings("ignore")  # of wandb's own dependencies
ODD = [float("nan"), float("inf"), -float("inf"), 5e-324, -2.5e-310, 0.1, 1 / 3, 1e300, -0.0, 0]


def child(folder, code, *, wait=True):
    """Runs a training in a separate process, as wandb starts and ends services."""
    text = "import os, sys, time, wandb\nwandb.setup(wandb.Settings(silent=True))\n"
    text += "def begin(**more):\n"
    text += "    off = wandb.Settings(console='off', x_disable_stats=True, disable_git=True)\n"
    text += f"    return wandb.init(dir={str(folder)!r}, settings=off, **more)\n"
    text += textwrap.dedent(code)
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    process = subprocess.Popen([sys.executable, "-c", text], env=environment)
    if wait:
        process.wait(60)
    return process


def curve(run, name="loss"):
    (series,) = run.find(name, 0)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def bits(points):
    return {step: np.float64(value).tobytes() for step, value in points.items()}


def planned(seed):
    """Calls of log (row, step) as trainings make them, and the curves that must be read."""
    rng = random.Random(seed)
    calls, expected, step = [], {"loss": {}, "a.b": {}, "val.acc": {}, "größe_名前": {}}, 0
    for i in range(150):
        step += rng.choice([1, 1, 1, 7])
        value = rng.choice(ODD) if i % 5 == 0 else rng.gauss(0, 1) * 10 ** rng.randrange(-9, 9)
        row = {"train/loss": value, "words": "x" * rng.randrange(100), "flag": True}
        expected["loss"][step] = value
        if i % 3 == 0:
            row["a"] = {"b": i / 7, "c": {"d": [1, 2]}}
            expected["a.b"][step] = i / 7
        if i % 10 == 9:
            row |= {"val/acc": i / 11, "val/at": 50 * i}
            expected["val.acc"][50 * i] = i / 11
        if i % 40 == 0:
            row |= {"größe_名前": float(i), "long": "y" * 70_000}
            expected["größe_名前"][step] = float(i)
        calls.append((row, step))
    return calls, expected


@pytest.mark.parametrize("seed", range(3))
def test_what_the_client_logged_is_read_to_the_last_bit(tmp_path, seed):
    calls, expected = planned(seed)
    (tmp_path / "calls.json").write_text(json.dumps(calls))
    child(
        tmp_path,
        f"""
        import json
        run = begin(project="p", id="ab", config={{"lr": 0.5, "model": {{"depth": 18}}}})
        run.define_metric("val/at")
        run.define_metric("val/*", step_metric="val/at")
        for row, step in json.load(open({str(tmp_path / "calls.json")!r})):
            if step % 3 == 0:
                row["h"] = wandb.Histogram([1, 2, 3])
            run.log(row, step=step)
        run.config.update({{"batch_size": 8}})
        run.finish()
    """,
    )
    run = read_run(f"wandb:{tmp_path}")
    assert {s.name for s in run.series} == set(expected)
    for name, points in expected.items():
        assert bits(curve(run, name)) == bits(points)
    assert (run.unfinished, run.skipped) == ("", ())
    assert run.facts["learning_rate"] == 0.5
    assert run.facts["batch_per_device"] == 8
    assert run.facts["config.args.model.depth"] == 18


LOOP = """
    run = begin(project="p", id="ab")
    for i in range(2000):
        run.log({"loss": 1 / (i + 1)})
        if i == 20:
            time.sleep(1.5)  # until the service has written what it has
"""


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("run.finish(exit_code=3)", "failed with exit status 3"),
        ("sys.exit(7)", "failed with exit status 7"),
        ("raise RuntimeError", "failed with exit status 1"),
        ("os.kill(os.getpid(), 9)", ""),  # the service may have time to say how it ended
    ],
)
def test_a_run_that_did_not_finish_is_known_and_its_numbers_are_right(tmp_path, end, words):
    child(tmp_path, f"{LOOP}    {end}\n")
    time.sleep(1)
    run = read_run(f"wandb:{tmp_path / 'wandb' / 'latest-run'}")
    assert run.unfinished
    assert words in run.unfinished
    found = curve(run)
    assert found == {i: 1 / (i + 1) for i in range(len(found))}
    assert len(found) >= 20


def test_a_run_that_is_being_written_counts_as_unfinished(tmp_path):
    process = child(tmp_path, f"{LOOP}        time.sleep(0.01)\n", wait=False)
    try:
        found = {}
        for _ in range(200):
            time.sleep(0.05)
            if list(tmp_path.glob("wandb/*run-*/*.wandb")):
                try:
                    run = read_run(f"wandb:{tmp_path}")
                except Exception as error:  # no number yet
                    assert "\n" not in str(error)  # noqa: PT017
                    continue
                assert run.unfinished
                assert curve(run) == {i: 1 / (i + 1) for i in range(len(curve(run)))}
                assert len(curve(run)) >= len(found)
                found = curve(run)
                if len(found) > 60:
                    break
        assert len(found) > 20
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_run_that_was_resumed_under_its_identifier_is_one_run(tmp_path):
    code = """
        run = begin(project="p", id="ab", resume="allow")
        for i in range({first}, {last}):
            run.log({{"loss": float(i + {more})}}, step=i)
        run.finish(exit_code={code})
    """
    child(tmp_path, code.format(first=0, last=30, more=0, code=1))
    time.sleep(1)  # the folder has the second in its name
    child(tmp_path, code.format(first=20, last=50, more=100, code=0))
    run = read_run(f"wandb:{tmp_path}")
    assert curve(run) == {i: i + (100 if i >= 20 else 0) for i in range(50)}
    assert run.unfinished == ""


def test_a_verdict_becomes_a_run_with_summary_alert_and_report(tmp_path, monkeypatch):
    from harness.trackers.publish_wandb import publish

    child(
        tmp_path,
        """
        run = begin(project="its-project", id="cand1")
        run.log({"loss": 1.0})
        run.finish()
    """,
    )
    report = tmp_path / "report"
    report.mkdir()
    (report / "index.html").write_text("a report")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    result = PortResult(
        port="net on/sdaa", verdict="fail", reasons=("the loss is 9 % too high",), steps=5
    )
    candidate = f"wandb:{tmp_path}/wandb!cand1"
    place = publish(Publication(result=result, candidate=candidate, report=report))
    assert place.startswith(f"wandb:{tmp_path}/wandb/offline-run-")
    records = records_of(Path(place.removeprefix("wandb:")))
    items = [item for record in records for item in record.summary.update if item.key]
    said = {item.key: json.loads(item.value_json) for item in items}
    assert said["harness.verdict"] == "fail"
    assert said["harness.candidate"] == "cand1"
    assert said["harness.steps"] == 5
    (alert,) = [r.alert for r in records if r.WhichOneof("record_type") == "alert"]
    assert "9 % too high" in alert.text
    (artifact,) = [r.artifact for r in records if r.WhichOneof("record_type") == "artifact"]
    assert [entry.path for entry in artifact.manifest.contents] == ["index.html"]
    (begun,) = [r.run for r in records if r.WhichOneof("record_type") == "run"]
    assert (begun.project, begun.display_name) == ("its-project", "net on/sdaa")
    runs = read_runs(f"wandb:{tmp_path}")  # the run of the verdict has no curve and is left out
    assert [curve(run) for run in runs] == [{0: 1.0}]


def records_of(folder):
    """The records of a run by wandb's own protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    from harness.trackers.wandb_log import Log

    (path,) = folder.glob("*.wandb")
    records = []
    while not records or records[-1].WhichOneof("record_type") != "exit":
        time.sleep(0.1)  # wandb's service goes on writing for a moment after `finish`
        with path.open("rb") as file:
            log = Log(file, size=path.stat().st_size, seen=lambda _: None)
            records = [Record.FromString(data) for data in log]
    return records
