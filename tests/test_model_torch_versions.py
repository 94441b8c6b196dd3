"""The main steps with whatever torch is installed, on the CPU and on the simulated accelerator.

`tox -e torch27` and `tox -e torchnew` run these tests with an old and with the newest torch.
"""

import json
import pkgutil
import sys
from pathlib import Path

import pytest
import torch
from simulated import plugged
from tiny_run import command, losses, options, run

from model.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[1]
NETWORK = """
import sys

import torch
from torch import nn
from torch.nn import functional

torch.manual_seed(1)
net = nn.Sequential(
    nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
)
images, labels = torch.randn(2, 3, 8, 8), torch.tensor([1, 4])
net, images, labels = (x.to(sys.argv[1]) for x in (net, images, labels))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
functional.cross_entropy(net(images), labels).backward()
optimizer.step()
"""


@pytest.fixture(params=["cpu", "sdaa"])
def device(request):
    """A kind of device, and the variables of a process that has it."""
    return request.param, plugged() if request.param == "sdaa" else {}


def done(argv, folder, variables, status=0):
    """Returns the output of a command, which must end with a status and without a traceback."""
    ended = run([sys.executable, *argv], folder, **variables)
    assert ended.returncode == status, ended.stderr[-3000:] or ended.stdout[-3000:]
    assert "Traceback" not in ended.stderr
    return ended.stdout


def harness(folder, variables, *words, status=0):
    return done(["-m", "harness", *words], folder, variables, status)


def test_every_module_is_imported(tmp_path):
    names = [
        found.name
        for package in ("model", "harness.capture")
        for found in pkgutil.walk_packages([str(ROOT / package.replace(".", "/"))], f"{package}.")
        if not found.name.endswith("__main__") and ".configs" not in found.name
    ]
    assert {"model.train", "model.doctor.numerics", "harness.capture.replay"} <= set(names)
    done(["-c", "\n".join(f"import {name}" for name in names)], tmp_path, {})


def test_a_resumed_run_has_the_same_bits(device, scenes, tmp_path):
    kind, variables = device
    chosen = [*options(scenes, steps=4), "randomness.seed=1"]

    def train(folder, *words):
        argv = command(folder, chosen, "--device", kind, *words)
        done(argv[1:], tmp_path, variables)

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole)
    train(cut, "--resume", str(whole / "iter_2.pth"))
    assert set(losses(whole)) == {(0, step) for step in range(4)}
    assert losses(cut) == {key: loss for key, loss in losses(whole).items() if key[1] >= 2}
    ours, theirs = (read_checkpoint(folder / "iter_4.pth")["state_dict"] for folder in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_mixed_precision_and_two_ranks_train(device, scenes, tmp_path):
    kind, variables = device
    words = ("--amp", "--launcher", "pytorch", "--nproc-per-node", "2")
    argv = command(tmp_path / "run", options(scenes, steps=2), "--device", kind, *words)
    done(argv[1:], tmp_path, variables)
    assert set(losses(tmp_path / "run")) == {(rank, step) for rank in (0, 1) for step in (0, 1)}


def test_the_doctor_finds_no_problem(device, scenes, tmp_path):
    kind, variables = device
    words = ["--device", kind, "--config", "ccnet_r18-d8_demo", "--data-root", str(scenes)]
    report = json.loads(done(["-m", "model.doctor", *words, "--json", "-"], tmp_path, variables))
    problems = [each for each in report["checks"] if each["status"] != "ok"]
    assert problems == []
    assert report["facts"]["torch"] == torch.__version__


def test_a_replay_agrees_and_names_a_wrong_kernel(device, tmp_path):
    kind, variables = device
    (tmp_path / "train.py").write_text(NETWORK)
    replay = ("locate", "replay", "--report", "replay", "--", "train.py", kind)
    assert "that were compared agree" in harness(tmp_path, variables, *replay)
    if kind == "sdaa":
        wrong = plugged(faults="aten::addmm:scale:1.001")
        printed = harness(tmp_path, wrong, *replay, status=1)
        assert "fail: aten::addmm in 4 (forward) is wrong" in printed
        (bundle,) = (tmp_path / "replay" / "bundles").iterdir()
        assert "largest error" in done([str(bundle / "repro.py")], tmp_path, wrong)


def test_captures_agree_with_those_of_the_cpu(device, tmp_path):
    kind, variables = device
    (tmp_path / "train.py").write_text(NETWORK)
    harness(tmp_path, variables, "locate", "record", "cpu.capture", "--", "train.py", "cpu")
    harness(tmp_path, variables, "locate", "record", "port.capture", "--", "train.py", kind)
    assert "pass: " in harness(tmp_path, variables, "locate", "cpu.capture", "port.capture")


def test_a_same_start_passes_against_that_of_the_cpu(scenes, tmp_path):
    """The CPU against itself would be a copy."""
    chosen = [o for o in options(scenes) if not o.startswith("train_cfg.max_iters")]
    start = ("--same-start", "--steps", "10")
    cpu = command(tmp_path / "cpu", chosen, "--device", "cpu", *start, "--perturb", "4")
    done(cpu[1:], tmp_path, {})
    port = command(tmp_path / "port", chosen, "--device", "sdaa", *start)
    done(port[1:], tmp_path, plugged(faults="aten::convolution_overrideable:scale:1.0000001"))
    assert harness(tmp_path, {}, "compare", "cpu", "port", "--quiet").startswith("pass")
