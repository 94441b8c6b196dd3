"""Evaluation of a checkpoint: metrics, pictures, and what is refused."""

import json
import re
import sys

import cv2
import numpy as np
import pytest
import torch
from tiny_run import NARROW, options, run, train

from model.data.labels import PALETTE
from model.evaluate import main
from model.visualization import colour_map, legend, overlay, picture

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
    assert drawn.shape[1] == 3 * 64
    assert drawn.shape[0] > 32
    assert np.array_equal(drawn[:32, :64], cv2.imread(str(source)))
    more = ["--tta", "--pictures", "0", "--cfg-options", *options(scenes)]
    turned = run([*argv, *where, *more], tmp_path)
    assert turned.returncode == 0, turned.stderr


def test_colours_are_the_class_colours_and_black_for_ignored():
    labels = np.array([[0, 18, 255]])
    colours = [list(PALETTE[0]), list(PALETTE[18]), [0, 0, 0]]
    assert colour_map(labels, PALETTE).tolist() == [colours]
    image = np.full((1, 3, 3), 100, np.uint8)
    mixed = overlay(image, labels, PALETTE, alpha=0.5)
    want = [[[(100 + c) // 2 for c in colour] for colour in colours]]
    assert np.abs(mixed.astype(int) - want).max() <= 1


def test_a_picture_stands_side_by_side_over_a_legend_of_what_it_shows():
    image = np.zeros((20, 130, 3), np.uint8)
    labels = np.full((20, 130), 13)
    drawn = picture(image, [labels, labels])
    assert drawn.shape == (20 + 16, 390, 3)
    assert tuple(drawn[28, 8]) == PALETTE[13]
    assert legend([], 100, ["a"], [[0, 0, 0]]).shape == (0, 100, 3)


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
