"""Configs that cannot be used: one line with the place, the value and the choice."""

import logging

import pytest
import torch
from mmengine.config import Config
from tiny_run import options

from model import build_model, load_config
from model.config_errors import check_classes, check_network, unknown_type
from model.errors import ConfigError
from model.evaluate import main as evaluate
from model.options import load_checked
from model.train import main

DEMO = "ccnet_r18-d8_demo"
# one process runs the command many times, and mmengine keeps its visualizer
pytestmark = pytest.mark.filterwarnings("ignore:.*instance named of:UserWarning")
UNKNOWN = "is 'Foo', which is unknown; expected one of"
OF_THE_MODEL = [
    ("model.decode_head.type=Foo", f"model.decode_head.type {UNKNOWN} CCHead, "),
    ("model.backbone.type=Foo", f"model.backbone.type {UNKNOWN} CCHead, "),
    ("model.type=Foo", f"model.type {UNKNOWN} CCHead, "),
    ("model.decode_head.sampler.type=Foo", f"sampler.type {UNKNOWN} OHEMPixelSampler"),
    ("model.decode_head.loss_decode.type=Foo", f"loss_decode.type {UNKNOWN} CCHead"),
    ("model.decode_head.norm_cfg.type=LN", "norm_cfg type 'LN' is not known; expected one of BN"),
    ("model.backbone.frozen_stages=9", "frozen_stages is 9; expected -1 (none) to 4 (all)"),
    ("model.backbone.with_cp=True", "unexpected keyword argument 'with_cp'"),
    ("model.decode_head.in_channels=7", "the backbone gives 8, 16, 32, 64 channels: compare them"),
    ("model.auxiliary_head.in_channels=7", "its parts do not fit each other"),
    ("model.decode_head.in_index=9", "its parts do not fit each other (tuple index out of range)"),
    ("randomness.seed=x", "randomness.seed is 'x'; expected a whole number or None"),
]
OF_TRAINING = [
    ("train_dataloader.dataset.type=LIPSet", "expected one of ADE20KDataset"),
    ("train_dataloader.sampler.type=Foo", f"train_dataloader.sampler.type {UNKNOWN} InfiniteS"),
    ("train_dataloader.dataset.pipeline.1.type=Foo", f"dataset.pipeline.1.type {UNKNOWN} Load"),
    ("optim_wrapper.type=Foo", f"optim_wrapper.type {UNKNOWN} AmpOptimWrapper, "),
    ("optim_wrapper.optimizer.type=Foo", f"optim_wrapper.optimizer.type {UNKNOWN} ASGD"),
    ("param_scheduler.0.type=Foo", f"param_scheduler.0.type {UNKNOWN} ConstantLR"),
    ("val_evaluator.type=Foo", f"val_evaluator.type {UNKNOWN} CocoMetric, IoUMetric"),
    ("val_evaluator.iou_metrics=mFoo", "expected one or more of mIoU, mDice, mFscore"),
    ("visualizer.type=Foo", f"visualizer.type {UNKNOWN} InstanceLocalVisualizer, SegLocal"),
    ("model.decode_head.num_classes=3", "train_dataloader.dataset has 19 classes; expected at"),
    ("model=None", "the config's model is None; expected a dict: a training needs model, "),
    ("train_dataloader=None", "the config's train_dataloader is None; expected a dict"),
    ("train_cfg=None", "the config's train_cfg is None; expected a dict"),
    ("optim_wrapper=None", "the config's optim_wrapper is None; expected a dict"),
]


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """mmengine's logger keeps the standard output of the test before."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with the weights of the narrowed demo."""
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    cfg = load_config(DEMO)
    cfg.model.backbone.update(base_channels=8, stem_channels=8)
    cfg.model.decode_head.update(in_channels=64, channels=16)
    cfg.model.auxiliary_head.update(in_channels=32, channels=8)
    torch.save(build_model(cfg).state_dict(), path)
    return path


def the_error(err):
    assert "Traceback" not in err, err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize(("option", "message"), OF_THE_MODEL + OF_TRAINING)
def test_a_training_says_what_is_wrong_in_one_line(option, message, scenes, tmp_path, capfd):
    given = [DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    assert main([*given, "--cfg-options", *options(scenes, steps=1), option]) == 2
    assert message in the_error(capfd.readouterr().err)


@pytest.mark.parametrize(("option", "message"), OF_THE_MODEL)
def test_an_evaluation_says_so_too(option, message, weights, scenes, tmp_path, capfd):
    given = [DEMO, str(weights), "--device", "cpu", "--out", str(tmp_path / "o")]
    assert evaluate([*given, "--cfg-options", *options(scenes), option]) == 2
    assert message in the_error(capfd.readouterr().err)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("option", [option for option, _ in OF_THE_MODEL])
def test_what_is_wrong_with_a_network_is_told_before_a_folder_is_made(option, scenes, tmp_path):
    given = [DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    assert main([*given, "--cfg-options", *options(scenes), option]) == 2
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("name", ["ccnet_r101-d8_4xb2-40k_cityscapes-769x769", "ccnet_r18-d4_cues"])
def test_the_published_networks_fit(name):
    before = torch.get_rng_state()
    check_network(load_config(name))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_with_ohem_fits_although_its_loss_has_no_meta_kernels():
    cfg = load_checked(DEMO, {"model.decode_head.sampler": {"type": "OHEMPixelSampler"}})
    check_network(cfg)


def test_more_classes_than_the_data_has_are_allowed_and_fewer_in_any_head_are_not():
    cfg = load_config(DEMO)
    check_classes(cfg, "train_dataloader", 19)
    check_classes(cfg, "train_dataloader", 5)
    cfg.model.auxiliary_head = [cfg.model.auxiliary_head, {"type": "FCNHead", "num_classes": 4}]
    with pytest.raises(ConfigError, match=r"model.auxiliary_head.num_classes is 4"):
        check_classes(cfg, "train_dataloader", 19)


def test_an_error_about_something_else_is_no_unknown_type():
    assert unknown_type(KeyError("foo"), Config({})) is None
    assert unknown_type(KeyError(), Config({})) is None
