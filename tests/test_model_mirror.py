"""Flips of data sets that label left and right: labels, scores, configs that forget the swap."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData

from model.config_errors import check_flips
from model.data import PackSegInputs, RandomFlip, TestTimeAug
from model.errors import ConfigError
from model.inference import SegTTAModel, undo

PAIRS = [(1, 2), (5, 4)]
LEFT_RIGHT = {"left_right_pairs": ((1, 2), (4, 5))}


def sample(labels, seed=0):
    image = np.repeat(labels[..., None] * 20, 3, axis=2)
    rng = np.random.default_rng(seed)
    return {"img": image, "gt_seg_map": labels.copy(), "seg_fields": ["gt_seg_map"], "rng": rng}


def mirrored(labels, pairs):
    """The labels of a mirrored person, pixel by pixel."""
    height, width = labels.shape
    out = np.empty_like(labels)
    for row in range(height):
        for column in range(width):
            value = int(labels[row, width - 1 - column])
            for one, other in pairs:
                if value in (one, other):
                    value = one + other - value
                    break
            out[row, column] = value
    return out


def test_a_flip_swaps_the_labels_of_each_pair_and_no_other_pixel():
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 4, 5, 255], (9, 14)).astype(np.uint8)
    out = RandomFlip(prob=1.0, swap_seg_labels=PAIRS)(sample(labels))
    assert np.array_equal(out["gt_seg_map"], mirrored(labels, PAIRS))
    assert np.array_equal(out["img"][..., 0], labels[:, ::-1] * 20)
    assert out["gt_seg_map"].dtype == np.uint8
    plain = RandomFlip(prob=1.0)(sample(labels))["gt_seg_map"]
    wrong = plain != mirrored(labels, PAIRS)
    assert np.array_equal(wrong, np.isin(labels[:, ::-1], [1, 2, 4, 5]))


def test_swapping_changes_neither_the_draw_nor_an_image_that_stays_as_it_is():
    labels = np.random.default_rng(1).integers(6, size=(4, 6)).astype(np.uint8)
    for seed in range(40):
        plain = RandomFlip(prob=0.5)(sample(labels, seed))
        swapping = RandomFlip(prob=0.5, swap_seg_labels=PAIRS)(sample(labels, seed))
        assert plain["flip"] == swapping["flip"]
        if not plain["flip"]:
            assert np.array_equal(swapping["gt_seg_map"], labels)
            assert "swap_seg_labels" not in swapping


def test_two_flips_give_the_sample_back():
    labels = np.random.default_rng(2).integers(6, size=(4, 6)).astype(np.uint8)
    flip = RandomFlip(prob=1.0, swap_seg_labels=PAIRS)
    assert np.array_equal(flip(flip(sample(labels)))["gt_seg_map"], labels)


@pytest.mark.parametrize(
    ("pairs", "direction"),
    [
        ([(1, 2, 3)], "horizontal"),
        ([(1, 1)], "horizontal"),
        ([(1, 2), (2, 3)], "horizontal"),
        ([(1, 256)], "horizontal"),
        ([(1, 2.0)], "horizontal"),
        ([1, 2], "horizontal"),
        ([(1, 2)], "vertical"),
    ],
)
def test_pairs_that_are_none_are_refused(pairs, direction):
    with pytest.raises(ValueError, match="swap_seg_labels"):
        RandomFlip(swap_seg_labels=pairs, direction=direction)


def one_hot(labels, classes=6):
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), classes).permute(2, 0, 1)


def test_scores_of_a_mirrored_image_go_back_to_the_sides_they_belong_to():
    labels = np.random.default_rng(3).integers(6, size=(5, 8)).astype(np.uint8)
    out = PackSegInputs()(RandomFlip(prob=1.0, swap_seg_labels=PAIRS)(sample(labels)))
    meta = out["data_samples"].metainfo
    scores = one_hot(mirrored(labels, PAIRS)).float()  # of a network that is always right
    assert torch.equal(undo(scores, meta, align_corners=False), one_hot(labels).float())
    forgotten = {**meta, "swap_seg_labels": None}
    found = undo(scores, forgotten, align_corners=False).argmax(0).numpy()
    assert np.array_equal(found != labels, np.isin(labels, [1, 2, 4, 5]))


def knowing(image, meta):
    """The scores of a network that knows where left is, back in the image's own frame.

    Labels 1 and 2 look alike; it calls such a pixel 1 in the left half of what it sees, else 2.
    """
    grey = image[0] // 20
    right = torch.arange(grey.shape[1]) >= grey.shape[1] / 2
    seen = torch.where((grey == 1) | (grey == 2), torch.where(right, 2, 1), grey)
    return undo(one_hot(seen.numpy()).float(), meta, align_corners=False)


def averaged(labels, pairs):
    """The prediction for `labels` by an average over the image and its mirror image."""
    flips = [{"type": "RandomFlip", "prob": p, "swap_seg_labels": pairs} for p in (0.0, 1.0)]
    with DefaultScope.overwrite_default_scope("model"):
        augment = TestTimeAug(transforms=[flips, [{"type": "PackSegInputs"}]])
    versions = augment({**sample(labels), "ori_shape": labels.shape})
    samples = versions["data_samples"]
    for image, each in zip(versions["inputs"], samples, strict=True):
        each.seg_logits = PixelData(data=knowing(image, each.metainfo))
    return SegTTAModel._merge(samples).pred_sem_seg.data[0].numpy()


def test_averaging_over_flips_keeps_left_and_right_apart():
    labels = np.array([[0, 1, 3, 3, 2, 0], [1, 1, 0, 3, 2, 2]], np.uint8)
    assert np.array_equal(averaged(labels, PAIRS), labels)
    forgotten = averaged(labels, [])
    assert set(np.unique(forgotten)) < {0, 1, 2, 3}  # the two sides tie, and one takes all
    assert np.array_equal(forgotten != labels, labels == 2)


# --- configs


def part(**flip):
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "RandomFlip", **flip}]
    return Config({"type": "X", "datasets": [{"pipeline": pipeline}]})


@pytest.mark.parametrize(
    ("flip", "message"),
    [
        ({}, r"d\.datasets\.0\.pipeline\.1\.swap_seg_labels is missing.*\[\(1, 2\), \(4, 5\)\]"),
        ({"prob": 0.5, "swap_seg_labels": None}, "is missing"),
        ({"swap_seg_labels": [(1, 2)]}, r"is \[\(1, 2\)\]; expected the pairs"),
        ({"swap_seg_labels": [(1, 4), (2, 5)]}, "expected the pairs"),
    ],
)
def test_a_flip_that_mixes_left_and_right_is_an_error_of_the_config(flip, message):
    with pytest.raises(ConfigError, match=message):
        check_flips(part(**flip), "d", LEFT_RIGHT)
    check_flips(part(**flip), "d", {})


@pytest.mark.parametrize(
    "flip",
    [
        {"swap_seg_labels": [(2, 1), (4, 5)]},
        {"swap_seg_labels": []},
        {"prob": 0.0},
        {"direction": "vertical"},
    ],
)
def test_a_flip_that_swaps_or_is_meant_so_is_accepted(flip):
    check_flips(part(**flip), "d", LEFT_RIGHT)
