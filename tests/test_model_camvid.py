"""Training on synthetic clips: judged by the harness, resumed to the same bits, and evaluated."""

import json
import logging
import shutil

import cv2
import pytest
import torch
from fault_run import forget
from tiny_run import losses, options

from harness import Verdict, compare, read_run
from harness.comparison.judge import Policy
from harness.rules import parse_rule
from model.checkpoint import read_checkpoint
from model.data.synthetic import generate
from model.evaluate import main as evaluate
from model.pictures import GAP, LARGE_ENOUGH, LINE
from model.train import main

DEMO = "ccnet3d_r18-d8_camvid-demo"
STEPS = 12
# one process runs the command many times, and mmengine keeps its visualizer
pytestmark = pytest.mark.filterwarnings("ignore:.*instance named of:UserWarning")


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """mmengine's logger keeps the standard output of the test before."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    forget()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "videos"
    generate(folder, train=8, val=2, size=(32, 64), kind="camvid")
    return folder


def settings(videos):
    return [*options(videos, steps=STEPS), "train_cfg.val_interval=12",
            "default_hooks.checkpoint.interval=6"]  # fmt: skip


def trained(folder, videos, *args):
    """The folder of a run; its status must be 0."""
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(folder)]
    assert main([*base, *args, "--cfg-options", *settings(videos)]) == 0
    forget()
    return folder


@pytest.fixture(scope="module")
def runs(videos, tmp_path_factory):
    """The folders of two runs, by their seed."""
    root = tmp_path_factory.mktemp("runs")
    return {seed: trained(root / seed, videos, "--seed", seed) for seed in ("0", "1")}


def verdict(baseline, candidate, rule):
    policy = Policy(rules=(parse_rule(rule),), min_steps=STEPS)
    return compare(baseline, candidate, policy).verdict


def test_the_harness_judges_two_seeds_by_the_margin(runs):
    baseline, candidate = (read_run(folder / "port.log") for folder in runs.values())
    assert verdict(baseline, candidate, "tolerance:rtol=0.2") is Verdict.PASS
    assert verdict(baseline, candidate, "tolerance:rtol=0.0001") is Verdict.FAIL
    assert verdict(baseline, candidate, "exact") is Verdict.FAIL


def test_a_run_resumed_in_the_middle_gives_the_same_bits(runs, videos, tmp_path):
    shutil.copy(runs["0"] / "iter_6.pth", tmp_path / "start.pth")
    folder = trained(
        tmp_path / "again", videos, "--seed", "0", "--resume", str(tmp_path / "start.pth")
    )
    assert losses(folder) == {key: v for key, v in losses(runs["0"]).items() if key[1] >= 6}
    ours, theirs = (
        read_checkpoint(each / f"iter_{STEPS}.pth")["state_dict"] for each in (folder, runs["0"])
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_is_evaluated_and_drawn_on_the_labelled_frame(runs, videos, tmp_path):
    checkpoint, out = runs["0"] / f"iter_{STEPS}.pth", tmp_path / "out"
    words = [DEMO, str(checkpoint), "--device", "cpu", "--out", str(out)]
    assert evaluate([*words, "--cfg-options", *settings(videos)]) == 0
    assert 0 <= json.loads((out / "metrics.json").read_text())["mIoU"] <= 100
    picture = cv2.imread(str(out / "pictures/synthtest0000_000002.png"))
    labelled = cv2.imread(str(videos / "test/synthtest0000_000002.png"))
    zoom = LARGE_ENOUGH // 64
    shown = picture[LINE : LINE + 32 * zoom, GAP : GAP + 64 * zoom]
    assert (shown == labelled.repeat(zoom, axis=0).repeat(zoom, axis=1)).all()


def test_the_same_start_passes_again_and_fails_with_a_fault(videos, tmp_path):
    start = ["--same-start", "--steps", "10"]
    folder = trained(tmp_path / "baseline", videos, *start, "--perturb", "2")
    baseline = [read_run(log) for log in sorted(folder.rglob("port.log"))]
    assert len(baseline) == 3
    faulty = ["--fault", "upsampling_nearest"]
    for more, expected in ((faulty, Verdict.FAIL), ([], Verdict.PASS)):
        other = trained(tmp_path / expected.name, videos, *start, *more)
        found = compare(baseline, [read_run(other / "port.log")])
        assert found.verdict is expected, found.judgement.reasons
        assert [finding.rule for finding in found.judgement.findings] == ["same-start"]
