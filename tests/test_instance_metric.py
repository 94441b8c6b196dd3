"""COCO's figures: pycocotools' own, and cases whose result is known beforehand."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch
from instance_data import SQUARE, TRIANGLE, annotation, built, content, write
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from model.instance.masks import decode, encode
from model.instance.metric import NAMES, CocoMetric
from model.instance.structures import DetDataSample


@pytest.fixture
def data(tmp_path):
    """Two images with objects, one empty: a large set would only cost time."""
    made = content()
    made["annotations"] += [annotation(5, 7, 18, SQUARE), annotation(6, 7, 90, TRIANGLE)]
    return built(write(tmp_path, made), test_mode=True)


def truth(data, number):
    """The annotated boxes, labels and masks of an image."""
    info = next(i for i in map(data.get_data_info, range(3)) if i["img_id"] == number)
    objects = info["instances"]
    boxes = torch.tensor([each["bbox"] for each in objects]).reshape(-1, 4)
    labels = torch.tensor([each["label"] for each in objects], dtype=torch.int64)
    masks = torch.from_numpy(decode([each["segmentation"] for each in objects], 40, 64))
    return boxes, labels, masks


def evaluated(data, found, **options):
    """The metric's figures of (boxes, labels, masks, scores) by image id."""
    metric = CocoMetric(**options)
    metric.dataset_meta = data.metainfo
    for number, (boxes, labels, masks, scores) in found.items():
        sample = DetDataSample(metainfo={"img_id": number})
        sample.pred_instances = InstanceData(
            bboxes=boxes, labels=labels, masks=masks.bool(), scores=torch.as_tensor(scores)
        )
        metric.process(None, [sample.to_dict()])
    return metric.evaluate(len(found))


def perfect(data):
    return {n: (*(t := truth(data, n)), [0.9] * len(t[1])) for n in (4, 7, 9)}


def test_what_is_annotated_has_an_ap_of_one(data):
    figures = evaluated(data, perfect(data))
    assert set(figures) == {f"coco/{k}_{n}" for k in ("bbox", "segm") for n in NAMES[:4]}
    assert list(figures.values()) == pytest.approx([1.0] * 8, abs=1e-12)


def test_nothing_found_has_an_ap_of_zero(data):
    nothing = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 40, 64), [])
    figures = evaluated(data, dict.fromkeys((4, 7, 9), nothing))
    assert figures["coco/bbox_mAP"] == figures["coco/segm_mAP"] == 0.0


def test_a_box_that_is_shifted_counts_below_its_iou_alone_and_its_mask_does_not_change(data):
    """20x20 shifted by 2 across has IoU 18/22 = 0.818: 7 of the 10 thresholds from 0.50 to 0.80."""
    found = perfect(data)
    for number, (boxes, labels, masks, scores) in found.items():
        shifted = boxes + torch.tensor([2.0, 0.0, 2.0, 0.0])
        found[number] = (shifted, labels, masks, scores)
    figures = evaluated(data, found)
    assert figures["coco/bbox_mAP"] == pytest.approx(0.7)
    assert figures["coco/bbox_mAP_50"] == figures["coco/bbox_mAP_75"] == 1.0
    assert figures["coco/segm_mAP"] == 1.0


def test_a_wrong_class_costs_both_classes(data):
    found = perfect(data)
    boxes, labels, masks, scores = found[9]
    found[9] = (boxes, 1 - labels, masks, scores)
    assert evaluated(data, found, metric="bbox")["coco/bbox_mAP"] < 0.6


def noisy(data, seed):
    """Objects near the annotated ones, others, and some that are too many."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in (4, 7, 9):
        boxes, labels, masks = truth(data, number)
        corners = torch.from_numpy(rng.uniform(0, 20, size=(4, 2)).astype(np.float32))
        more = torch.cat([corners, corners + 15], dim=1)
        boxes = torch.cat([boxes + torch.from_numpy(rng.normal(0, 1.5, boxes.shape)), more])
        labels = torch.cat([labels, torch.from_numpy(rng.integers(0, 2, size=4))])
        drawn = torch.zeros(4, 40, 64, dtype=torch.uint8)
        for n, (x, y, right, bottom) in enumerate(more.int().tolist()):
            drawn[n, y:bottom, x:right] = 1
        masks = torch.cat([masks.roll(int(rng.integers(0, 4)), dims=2), drawn])
        found[number] = (boxes.float(), labels, masks, rng.uniform(size=len(labels)).tolist())
    return found


def directly(data, found, kind):
    """COCOeval as its authors' example calls it."""
    with redirect_stdout(io.StringIO()):
        coco = COCO(data.metainfo["ann_file"])
        ids = {0: 18, 1: 90}
        results = []
        for number, (boxes, labels, masks, scores) in found.items():
            lengths = encode(masks.numpy())
            for box, label, mask, score in zip(
                boxes.tolist(), labels.tolist(), lengths, scores, strict=True
            ):
                entry = {"image_id": number, "category_id": ids[label], "score": score}
                if kind == "segm":
                    entry["segmentation"] = mask
                else:
                    entry["bbox"] = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
                results.append(entry)
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_cocoeval_run_directly(data, seed):
    found = noisy(data, seed)
    figures = evaluated(data, found)
    for kind in ("bbox", "segm"):
        stats = directly(data, found, kind)
        assert 0 < stats[0] < 1
        for name, value in zip(NAMES, stats[:6], strict=True):
            assert figures.get(f"coco/{kind}_{name}", -1.0) == value


def test_images_that_were_not_tested_do_not_count(data):
    found = perfect(data)
    del found[7]
    assert evaluated(data, found)["coco/segm_mAP"] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("metric", [(), "mIoU", ["bbox", "keypoints"]])
def test_another_metric_is_refused(metric):
    with pytest.raises(ValueError, match="expected one or more of bbox, segm"):
        CocoMetric(metric=metric)
