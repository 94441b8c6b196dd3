"""The demo's driver: what it says of the time left, and what it does when a step fails."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.ports.manifest import read_manifest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The driver as a module, in a folder with what the demo judges."""
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("baselines", "demo.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return module


def test_the_steps_of_a_log_are_counted_beside_those_that_are_planned(demo, tmp_path):
    log = tmp_path / "port.log"
    assert demo.steps(log) == (0, demo.STEPS)
    log.write_text("    planned_steps: 40\nTCAPPDLL 1 \nTCAPPDLL 2 \n")
    assert demo.steps(log) == (2, 40)


def test_what_is_left_is_the_rest_of_this_run_and_the_whole_of_the_others(demo):
    estimate = demo.Estimate(3)
    estimate.step_s = 0.5
    assert estimate.left(0, 50, 200) == 75 + 2 * 100
    estimate.run_s = 120.0  # start and validation included
    assert estimate.left(1, 200, 200) == 120
    assert estimate.left(2, 200, 200) == 0
    assert [demo.duration(s) for s in (5, 89, 91, 600)] == ["5 s", "89 s", "2 min", "10 min"]


def test_the_demo_judges_what_it_trained_and_lists_both_reports_in_one_index(
    demo, tmp_path, monkeypatch, capfd
):
    """The sample log stands in for the trainings, under the seeds of the demo."""
    sample = (ROOT / "logs/samples/ccnet_r18-d8_demo_seed_0.log").read_text()
    run = subprocess.run

    def train(run_number, seed, options, estimate):
        folder = demo.LOGS / f"seed_{seed}"
        folder.mkdir(parents=True)
        lines = [
            line.replace("train.loss : ", f"train.loss : {seed % 10}")
            if "Iteration: 150 " in line else line
            for line in sample.replace("    seed: 0\n", f"    seed: {seed}\n").splitlines(True)
        ]  # fmt: skip
        (folder / "port.log").write_text("".join(lines))
        return 0

    def made(command, **kwargs):
        made_scenes = "model.data.synthetic" in command
        return subprocess.CompletedProcess(command, 0) if made_scenes else run(command, **kwargs)

    monkeypatch.setattr(demo, "train", train)
    monkeypatch.setattr(demo.subprocess, "run", made)
    status = demo.main([])
    out = capfd.readouterr().out
    assert status in (0, 1, 3)
    assert "an estimate follows" in out.splitlines()[1]
    assert "reports/index.html lists both" in out
    index = (tmp_path / "reports/index.html").read_text()
    for port in read_manifest(ROOT / "demo.toml").port:
        assert (tmp_path / "reports" / port.name / "report.html").exists()
        assert f"{port.name}/report.html" in index


def test_a_training_that_fails_ends_the_demo_with_its_last_line_and_status(
    demo, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(demo, "POLL_S", 0.01)
    monkeypatch.setattr(demo.sys, "executable", shutil.which("sh"))
    (tmp_path / "sh").write_text("")
    popen = subprocess.Popen

    def failing(command, **kwargs):
        return popen(["sh", "-c", "echo error: no data; exit 2"], **kwargs)

    monkeypatch.setattr(demo.subprocess, "Popen", failing)
    assert demo.train(0, 101, [], demo.Estimate(1)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: no data\n")
    assert "logs/demo_output/seed_101.txt" in err
