"""The demo on the simulated accelerator: its first verdicts, a wrong kernel, and a whole run."""

import importlib.util
from pathlib import Path

import pytest
from simulated import plugged
from tiny_run import environment

from harness import read_run

ROOT = Path(__file__).parents[1]
ON_SDAA = ["--device", "sdaa"]
ROUNDING = "aten::convolution_overrideable:scale:1.0000001"


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The demo as a module, in a folder with what it judges, on a device that rounds otherwise."""
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "baselines").symlink_to(ROOT / "baselines")
    for name, value in environment(**plugged(faults=ROUNDING)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    module.subprocess.run(
        [module.sys.executable, "-m", "model.data.synthetic", "data/synthetic"], check=True
    )
    return module


def test_the_first_steps_pass_and_the_fault_is_noticed(demo, capfd):
    assert demo.judge_start(ON_SDAA) == demo.PASS
    lines = capfd.readouterr().out.splitlines()
    verdicts = [line.partition(" ")[0] for line in lines if line.startswith(("pass", "fail"))]
    assert verdicts == ["pass", "fail"]
    assert "demo: the fault was not noticed" not in lines
    for name in ("port", "faulty"):
        assert read_run(demo.FIRST / name / "port.log").facts["device_kind"] == "sdaa"


def test_a_wrong_kernel_of_the_device_fails_the_first_steps(demo, monkeypatch, capfd):
    wrong = f"{ROUNDING} aten::convolution_backward_overrideable:scale:1.05"
    monkeypatch.setenv("TORCH_SDAA_FAULTS", wrong)
    assert demo.judge_start(ON_SDAA) == demo.FAIL
    assert "look at the backward pass" in " ".join(capfd.readouterr().out.split())


def test_a_seed_is_trained_to_the_end_with_its_progress(demo, tmp_path, capfd):
    text = (ROOT / demo.SWEEP).read_text()
    (tmp_path / demo.SWEEP).write_text(text.replace("[101, 102, 103]", "[101]"))
    options = [*ON_SDAA, "--cfg-options", "train_cfg.max_iters=6", "train_cfg.val_interval=6"]
    demo.train_seeds(options)
    run = read_run(demo.LOGS / "seed_101" / "port.log")
    (loss,) = run.find("loss", 0)
    assert (run.facts["device_kind"], run.facts["seed"], len(loss.values)) == ("sdaa", 101, 6)
    assert "sweep: seed_101: finished in " in capfd.readouterr().err
