"""IoU against counting by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.metrics.iou import IoUMetric, class_table, count_pixels, iou


def by_hand(predictions, labels, classes):
    """mmsegmentation's definitions, pixel by pixel: per-class IoU and Acc, aAcc; fractions."""
    tp, fp, fn = [0] * classes, [0] * classes, [0] * classes
    for prediction, label in zip(predictions, labels, strict=True):
        for p, t in zip(prediction.ravel().tolist(), label.ravel().tolist(), strict=True):
            if t == 255:
                continue
            if p == t:
                tp[t] += 1
            else:
                fp[p] += 1
                fn[t] += 1
    ious = [a / (a + b + c) if a + b + c else math.nan for a, b, c in zip(tp, fp, fn, strict=True)]
    accs = [a / (a + c) if a + c else math.nan for a, c in zip(tp, fn, strict=True)]
    return ious, accs, sum(tp) / (sum(tp) + sum(fn)), (tp, fp, fn)


def relatives(counts, beta):
    """Dice, precision, recall and F-score of each class, from its counts; NaN where 0 / 0."""

    def ratio(a, b):
        return a / b if b else math.nan

    dice, precision, recall, fscore = [], [], [], []
    for tp, fp, fn in zip(*counts, strict=True):
        dice.append(ratio(2 * tp, 2 * tp + fp + fn))
        p, r = ratio(tp, tp + fp), ratio(tp, tp + fn)
        precision.append(p)
        recall.append(r)
        below = beta**2 * p + r
        fscore.append((1 + beta**2) * p * r / below if below else math.nan)
    return dice, precision, recall, fscore


def evaluate(predictions, labels, classes, **options):
    metric = IoUMetric(prefix="x", **options)
    metric.dataset_meta = {"classes": [f"c{i}" for i in range(classes)]}
    for p, t in zip(predictions, labels, strict=True):
        sample = {
            "pred_sem_seg": {"data": torch.from_numpy(p)[None]},
            "gt_sem_seg": {"data": torch.from_numpy(t)[None]},
        }
        metric.process({}, [sample])
    return metric.compute_metrics(metric.results)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 3))
def test_scores_equal_counting_by_hand(seed, classes, images):
    rng = np.random.default_rng(seed)
    predictions = [rng.integers(classes, size=(5, 7)) for _ in range(images)]
    labels = [rng.integers(classes, size=(5, 7)) for _ in range(images)]
    for label in labels:
        label[rng.random((5, 7)) < 0.2] = 255
    labels[0][0, 0] = 0
    ious, accs, a_acc, counts = by_hand(predictions, labels, classes)
    got = evaluate(predictions, labels, classes)
    assert list(got) == ["aAcc", "mIoU", "mAcc"]
    assert got["aAcc"] == round(100 * a_acc, 2)
    assert got["mIoU"] == pytest.approx(100 * np.nanmean(ious), abs=0.0051)
    assert got["mAcc"] == pytest.approx(100 * np.nanmean(accs), abs=0.0051)
    names = ["mIoU", "mDice", "mFscore"]
    more = evaluate(predictions, labels, classes, iou_metrics=names, beta=2)
    assert more.items() >= got.items()
    means = zip(("mDice", "mPrecision", "mRecall", "mFscore"), relatives(counts, 2), strict=True)
    for name, values in means:
        assert more[name] == pytest.approx(100 * np.nanmean(values), abs=0.0051, nan_ok=True), name


def test_a_class_that_never_occurs_does_not_count_but_one_wrongly_predicted_does():
    label = np.zeros((2, 2), dtype=np.int64)
    assert evaluate([label], [label], 3)["mIoU"] == 100.0
    wrong = np.array([[0, 0], [0, 1]])
    assert evaluate([wrong], [label], 3)["mIoU"] == 37.5  # (3/4 + 0/1) / 2; class 2 left out


def test_prediction_under_ignored_pixels_is_not_held_against_anybody():
    label = np.array([[0, 255]])
    assert evaluate([np.array([[0, 1]])], [label], 2) == {
        "aAcc": 100.0,
        "mIoU": 100.0,
        "mAcc": 100.0,
    }


def test_table_has_a_row_per_class():
    counts = count_pixels(torch.tensor([0, 1]), torch.tensor([0, 0]), num_classes=2)
    table = class_table(["road", "sky"], iou(counts, 1))
    assert "| road  |  50.00 |  50.00 |".replace("road ", " road") in table
    assert "|   sky |   0.00 |    nan |" in table


def test_names_and_columns_are_mmsegmentations():
    label = np.array([[0, 1]])
    assert list(evaluate([label], [label], 2, iou_metrics="mDice")) == ["aAcc", "mDice", "mAcc"]
    scores = evaluate([label], [label], 2, iou_metrics=["mFscore"])
    assert scores == {"aAcc": 100.0, "mFscore": 100.0, "mPrecision": 100.0, "mRecall": 100.0}
    counts = count_pixels(torch.tensor([0, 1]), torch.tensor([0, 0]), num_classes=2)
    metric = IoUMetric(iou_metrics=["mIoU", "mFscore"])
    rows = class_table(["road", "sky"], metric.scores(counts)).splitlines()
    assert rows[2] == "| Class |    IoU |    Acc | Fscore | Precision | Recall |"
    assert len({len(row) for row in rows[1:]}) == 1


def test_an_undefined_score_may_count_as_a_number():
    label = np.zeros((2, 2), dtype=np.int64)
    assert evaluate([label], [label], 4, nan_to_num=0)["mIoU"] == 25.0
    assert evaluate([label], [label], 4)["mIoU"] == 100.0


@pytest.mark.parametrize("names", [["mIou"], "dice", [], ["mIoU", "mAcc"]])
def test_an_unknown_metric_is_refused(names):
    with pytest.raises(ValueError, match="expected one or more of mIoU, mDice, mFscore"):
        IoUMetric(iou_metrics=names)
