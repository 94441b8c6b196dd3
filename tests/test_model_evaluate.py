"""Evaluation of a checkpoint: metrics, pictures, and what is refused."""

import json
import re
import sys

import cv2
import numpy as np
import pytest
import torch
from tiny_run import NARROW, options, run, train

from model.evaluate import main
from model.pictures import GAP, LINE

DEMO = "ccnet_r18-d8_demo"


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(folder, options(scenes, steps=4))
    return folder


def test_a_checkpoint_gives_the_metrics_of_its_training_run_and_pictures(trained, scenes, tmp_path):
    argv = [sys.executable, "-m", "model.evaluate", DEMO, str(trained / "iter_4.pth")]
    where = ["--device", "cpu", "--out", str(tmp_path / "out")]
    evaluated = run([*argv, *where, "--cfg-options", *options(scenes)], tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stderr == ""
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert set(metrics) == {"aAcc", "mIoU", "mAcc"}
    validated = next(trained.glob("*/2*.log")).read_text()  # after step 4
    for name, value in metrics.items():
        assert f"{name}: {value}" in evaluated.stdout
        assert f"{name}: {value:.4f}" in validated
    pictures = sorted((tmp_path / "out/pictures").iterdir())
    assert len(pictures) == 2
    drawn = cv2.imread(str(pictures[0]))
    source = next((scenes / "leftImg8bit/val").rglob(f"{pictures[0].stem}.png"))
    large = cv2.imread(str(source)).repeat(6, axis=0).repeat(6, axis=1)
    assert np.array_equal(drawn[LINE : LINE + 192, GAP : GAP + 384], large)
    more = ["--tta", "--pictures", "0", "--cfg-options", *options(scenes)]
    turned = run([*argv, *where, *more], tmp_path)
    assert turned.returncode == 0, turned.stderr


def spoilt(kind, good):
    """Something that is not a checkpoint of the demo's network."""
    if kind == "list":
        return list(good)
    if kind == "other names":
        return {"a": torch.ones(1)}
    return {k: v[..., :1].contiguous() if v.ndim == 4 else v for k, v in good.items()}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("absent", "no checkpoint here"),
        ("junk", "refused, nothing of it was run|damaged"),
        ("list", "holds a list; expected a dict"),
        ("other names", "entries are missing and 1 unknown"),
        ("other shapes", "other shapes"),
    ],
)
def test_what_is_no_checkpoint_of_this_network_is_refused(kind, message, trained, tmp_path, capfd):
    path = tmp_path / "x.pth"
    if kind == "junk":
        path.write_bytes(b"junk")
    elif kind != "absent":
        good = torch.load(trained / "iter_4.pth", weights_only=True)["state_dict"]
        torch.save(spoilt(kind, good), path)
    out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([DEMO, str(path), *out, "--cfg-options", *NARROW]) == 2
    err = capfd.readouterr().err
    assert re.search(message, err)
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
