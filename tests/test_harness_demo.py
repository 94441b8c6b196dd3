"""The demo's driver: what it says of the time left, and what it does when a step fails."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import Verdict, compare, read_run
from harness.ports.manifest import read_manifest
from harness.storage.baselines import load_runs, open_recording
from harness.sweep.manifest import read_sweep
from harness.sweep.plan import plan

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


def test_the_sweep_trains_the_seeds_that_are_judged(demo):
    sweep = read_sweep(ROOT / demo.SWEEP)
    runs = plan(sweep, ROOT, more=["--device", "cpu"])
    assert len(runs) == demo.SEEDS
    for run, seed in zip(runs, (101, 102, 103), strict=True):
        folder = f"{ROOT}/logs/demo/seed_{seed}"
        words = f"-m model.train --config {demo.CONFIG} --work-dir {folder} --seed {seed}"
        assert run.argv("") == [sys.executable, *words.split(), "--device", "cpu"]
        assert run.log == ROOT / demo.LOGS / f"seed_{seed}" / "port.log"


SAMPLES = ROOT / "logs/samples"
START = "ccnet_r18-d8_demo_start"


@pytest.fixture
def untrained(demo, monkeypatch):
    """The driver without its trainings: sample logs stand in for them, under the demo's seeds."""
    sample = (SAMPLES / "ccnet_r18-d8_demo_seed_0.log").read_text()
    run = subprocess.run

    def train_seeds(options):
        for seed in (101, 102, 103):
            folder = demo.LOGS / f"seed_{seed}"
            folder.mkdir(parents=True)
            lines = [
                line.replace("train.loss : ", f"train.loss : {seed % 10}")
                if "Iteration: 150 " in line else line
                for line in sample.replace("    seed: 0\n", f"    seed: {seed}\n").splitlines(True)
            ]  # fmt: skip
            (folder / "port.log").write_text("".join(lines))

    def train_first(name, options):
        faulty = "--fault" in options
        stem = "detached_attention" if faulty else "other_kernels"
        (demo.FIRST / name).mkdir(parents=True)
        shutil.copy(SAMPLES / f"{START}_{stem}.log", demo.FIRST / name / "port.log")

    def made(command, **kwargs):
        made_scenes = "model.data.synthetic" in command
        return subprocess.CompletedProcess(command, 0) if made_scenes else run(command, **kwargs)

    monkeypatch.setattr(demo, "train_seeds", train_seeds)
    monkeypatch.setattr(demo, "train_first", train_first)
    monkeypatch.setattr(demo.subprocess, "run", made)
    return demo


def test_the_demo_judges_what_it_trained_and_lists_all_reports_in_one_index(
    untrained, tmp_path, capfd
):
    status = untrained.main([])
    out = capfd.readouterr().out
    assert status in (0, 1, 3)
    assert "an estimate follows" in out.splitlines()[1]
    assert "reports/index.html lists them" in out
    index = (tmp_path / "reports/index.html").read_text()
    for port in read_manifest(ROOT / "demo.toml").port:
        assert (tmp_path / "reports" / port.name / "report.html").exists()
        assert f"{port.name}/report.html" in index


def test_the_first_verdict_is_on_the_same_start_and_the_next_on_a_fault(untrained, capfd):
    """Of what the demo prints, the first line that begins with a verdict."""
    untrained.main([])
    lines = capfd.readouterr().out.splitlines()
    verdicts = [i for i, line in enumerate(lines) if line.startswith(("pass", "fail", "in"))]
    first, second = verdicts[:2]
    assert re.match(r"pass -0\.09% .*same-start: loss and 11 further series stay", lines[first])
    assert "s from the start of the training to this verdict" in lines[first + 1]
    assert f"the same steps with a fault, {untrained.FAULT}" in "".join(lines[first:second])
    assert lines[second].startswith("fail +0.00%, same-start: grad_norm_geometric leaves")
    assert "look at the backward pass" in lines[second]
    whole = next(i for i, line in enumerate(lines) if "trains 3 seeds for 200 steps" in line)
    assert second < whole
    assert "the fault was not noticed" not in "".join(lines)
    readme = " ".join((ROOT / "README.md").read_text().split())
    for line in (lines[first], lines[second]):
        assert re.sub(r"^(\w+) \S+%", r"\1 +0.00%", line) in readme


def test_the_status_is_the_worse_verdict(untrained, monkeypatch, capfd):
    monkeypatch.setattr(untrained, "harness", lambda *words: statuses[words[1]])
    for first, whole, expected in [(0, 0, 0), (3, 0, 3), (0, 4, 4), (4, 1, 1), (4, 3, 4)]:
        statuses = {untrained.START: first, untrained.CONFIG: whole, "demo.toml": 4}
        assert untrained.main([]) == expected
    assert "the fault was not noticed" in capfd.readouterr().out


def test_a_fault_is_shown_only_beside_a_start_that_passes(untrained, monkeypatch):
    """With other options the start is another one, and a fault would show nothing."""
    trained = []
    monkeypatch.setattr(untrained, "train_first", lambda name, options: trained.append(name))
    monkeypatch.setattr(untrained, "harness", lambda *_: 4)
    assert untrained.judge_start(["--amp"]) == 4
    assert trained == ["port"]


@pytest.mark.parametrize("name", ["other_kernels", "detached_attention"])
def test_the_recorded_start_tells_other_kernels_from_a_fault(name):
    """SSE4.1 on one thread against AVX-512 on two; and the attention's weights without gradient."""
    baseline = load_runs(open_recording(ROOT / "baselines" / START))
    found = compare(baseline, [read_run(SAMPLES / f"{START}_{name}.log")])
    (finding,) = found.judgement.findings
    assert finding.rule == "same-start"
    if name == "other_kernels":
        assert found.verdict is Verdict.PASS
        assert finding.observed["largest_ratio"] < 0.5
    else:
        assert found.verdict is Verdict.FAIL
        assert finding.observed["first_step_outside"] == 1


def test_a_training_that_fails_ends_the_demo_with_its_last_line_and_status(
    demo, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(demo.sys, "executable", shutil.which("sh"))
    popen = subprocess.Popen

    def failing(command, **kwargs):
        return popen(["sh", "-c", "echo error: no data; exit 2"], **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(demo.subprocess, "Popen", failing)
        with pytest.raises(subprocess.CalledProcessError):
            demo.train_first("port", [])
        err = capsys.readouterr().err
        assert err.startswith("error: no data\n")
        assert "logs/demo_output/start_port.txt" in err
        shutil.rmtree(demo.FIRST)
        patch.setattr(demo.subprocess, "run", lambda *_, **__: None)  # makes no scenes
        assert demo.main([]) == 2


def test_a_seed_that_fails_ends_the_demo_with_its_last_line_and_status(
    demo, tmp_path, monkeypatch, capfd
):
    text = (ROOT / demo.SWEEP).read_text()
    command = text.partition("{python} -m model.train")[2]
    (tmp_path / demo.SWEEP).write_text("command = \"sh -c 'echo error: no data; exit 2' " + command)
    with pytest.raises(subprocess.CalledProcessError) as raised:
        demo.train_seeds([])
    assert raised.value.returncode == 2
    assert "seed_102: failed after 0 s: status 2: error: no data; see" in capfd.readouterr().err
