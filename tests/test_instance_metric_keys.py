"""Annotations without `iscrowd` and `area`, which other writers of COCO's format leave out."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torchvision")
pytest.importorskip("pycocotools")

from model.instance.metric import CocoMetric


def test_annotations_without_area_and_iscrowd_are_judged(tmp_path: Path) -> None:
    corners = [10, 10, 60, 10, 60, 50, 10, 50]
    box = [10.0, 10.0, 50.0, 40.0]
    file = tmp_path / "instances.json"
    truth = {"id": 1, "image_id": 7, "category_id": 3, "bbox": box, "segmentation": [corners]}
    content = {
        "info": {},
        "images": [{"id": 7, "file_name": "7.jpg", "height": 64, "width": 80}],
        "categories": [{"id": 3, "name": "dog"}],
        "annotations": [truth],
    }
    file.write_text(json.dumps(content))
    metric = CocoMetric(metric="bbox")
    metric.dataset_meta = {"ann_file": str(file), "category_ids": [3]}
    found = {"image_id": 7, "category_id": 3, "bbox": box, "score": 0.9}
    figures = metric.compute_metrics([(7, [found])])
    assert figures["bbox_mAP"] == pytest.approx(1.0)
    assert "bbox_mAP_m" in figures
    assert "bbox_mAP_s" not in figures
