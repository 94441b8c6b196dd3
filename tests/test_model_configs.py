"""Configs: names, inheritance, what differs between the sisters, and building by name or path."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from model import build_model, load_config
from model.build import CONFIGS

PUBLISHED = [
    f"ccnet_{net}-d8_4xb2-{schedule}_cityscapes-{size}"
    for net in ("r50", "r101")
    for schedule in ("40k", "80k")
    for size in ("512x1024", "769x769")
]
SQUARE = [
    f"ccnet_{net}-d8_4xb4-{schedule}-512x512"
    for net in ("r50", "r101")
    for schedule in ("80k_ade20k", "160k_ade20k", "20k_voc12aug", "40k_voc12aug")
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_say_what_their_names_say(name):
    cfg = load_config(name)
    iterations = 40000 if "-40k_" in name else 80000
    assert cfg.default_scope == "mmseg"
    assert cfg.model.backbone.depth == (101 if "r101" in name else 50)
    assert cfg.model.pretrained == f"open-mmlab://resnet{cfg.model.backbone.depth}_v1c"
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == iterations
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == iterations // 10
    assert cfg.optim_wrapper.optimizer == {
        "type": "SGD",
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0005,
    }
    square = "769" in name
    assert cfg.crop_size == ((769, 769) if square else (512, 1024))
    assert cfg.model.data_preprocessor.size == cfg.crop_size
    assert cfg.model.decode_head.align_corners is square
    assert cfg.model.test_cfg.mode == ("slide" if square else "whole")
    assert cfg.train_dataloader.batch_size == 2
    crops = [t for t in cfg.train_dataloader.dataset.pipeline if t["type"] == "RandomCrop"]
    assert crops == [{"type": "RandomCrop", "crop_size": cfg.crop_size, "cat_max_ratio": 0.75}]


@pytest.mark.parametrize("name", SQUARE)
def test_the_published_configs_of_ade20k_and_voc_say_what_their_names_say(name):
    cfg = load_config(name)
    steps = 1000 * int(name.partition("4xb4-")[2].partition("k_")[0])
    ade = "ade20k" in name
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == steps
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == steps // 10
    assert (cfg.optim_wrapper.optimizer.lr, cfg.optim_wrapper.optimizer.momentum) == (0.01, 0.9)
    assert cfg.crop_size == cfg.model.data_preprocessor.size == (512, 512)
    assert cfg.model.test_cfg.mode == "whole"
    assert (cfg.train_dataloader.batch_size, cfg.auto_scale_lr.base_batch_size) == (4, 16)
    data = cfg.train_dataloader.dataset
    parts = [data] if ade else data.datasets
    assert {part.type for part in parts} == {"ADE20KDataset" if ade else "PascalVOCDataset"}
    for part in parts:
        steps = [step["type"] for step in part.pipeline]
        assert part.pipeline[2]["scale"] == (2048, 512)
        assert part.pipeline[3]["crop_size"] == (512, 512)
        assert ("Pad" in steps) == (not ade)
    with torch.device("meta"):
        network = build_model(cfg)
    classes = 150 if ade else 21
    assert network.decode_head.conv_seg.weight.shape == (classes, 512, 1, 1)
    assert network.auxiliary_head.conv_seg.weight.shape == (classes, 256, 1, 1)
    assert len(network.backbone.layer3) == (23 if "r101" in name else 6)


def test_demo_is_small_and_fast_to_learn():
    cfg = load_config("ccnet_r18-d8_demo")
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == 200
    assert 0.05 <= cfg.optim_wrapper.optimizer.lr <= 0.1
    assert cfg.default_hooks.logger.interval == 10
    assert cfg.train_dataloader.dataset.data_root == "data/synthetic"
    assert cfg.val_dataloader.dataset.data_root == "data/synthetic"
    parameters = sum(p.numel() for p in build_model(cfg).parameters())
    assert parameters == 948847


def test_the_cues_config_keeps_a_quarter_of_the_image_and_counts_its_steps_once():
    cfg = load_config("ccnet_r18-d4_cues")
    scores = build_model(cfg).eval()(torch.zeros(1, 3, *cfg.crop_size))
    assert scores.shape == (1, 19, cfg.crop_size[0] // 4, cfg.crop_size[1] // 4)
    assert cfg.train_cfg.max_iters == cfg.train_cfg.val_interval == cfg.param_scheduler[0].end
    assert cfg.optim_wrapper.optimizer.type == "SGD"
    assert cfg.train_dataloader.num_workers == cfg.val_dataloader.num_workers == 0


def test_a_network_is_built_by_name_by_path_and_by_object(tmp_path):
    path = CONFIGS / "ccnet" / "ccnet_r18-d8_demo.py"
    cfg = Config.fromfile(path)
    copy = tmp_path / "mine.py"
    cfg.dump(copy)
    keys = [
        list(build_model(given).state_dict())
        for given in ("ccnet_r18-d8_demo", str(path), path, cfg, cfg.model, str(copy))
    ]
    assert all(k == keys[0] for k in keys)


def test_r101_has_the_published_number_of_entries():
    assert len(build_model(PUBLISHED[-1]).state_dict()) == 671


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match="ccnet_r18-d8_demo"):
        load_config("ccnet_r5O")
    with pytest.raises(FileNotFoundError, match="no config"):
        build_model("absent/ccnet_r18-d8_demo.py")


def test_configs_are_data_only():
    for file in CONFIGS.rglob("*.py"):
        text = Path(file).read_text()
        assert "import" not in text, file
        assert "\nif " not in text, file


def test_options_of_the_published_command_reach_the_network():
    cfg = load_config(PUBLISHED[0])
    cfg.merge_from_dict({"model.pretrained": None, "model.backbone.depth": 18})
    cfg.merge_from_dict({"model.decode_head.in_channels": 512})
    cfg.merge_from_dict({"model.auxiliary_head.in_channels": 256})
    assert build_model(cfg).backbone.stage_names == ["layer1", "layer2", "layer3", "layer4"]
