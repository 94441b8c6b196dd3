"""Small data sets in COCO's layout, whole and damaged, for the tests of instance segmentation."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model.registry import DATASETS

SQUARE = [[10.0, 5.0, 30.0, 5.0, 30.0, 25.0, 10.0, 25.0]]
TRIANGLE = [[40.0, 30.0, 60.0, 30.0, 50.0, 10.0]]
LENGTHS = {"counts": [0, 40, 2520], "size": [40, 64]}  # the first column


def annotation(number: int, image: int, category: int, segmentation: Any, **more: Any) -> dict:
    xs, ys = np.array(SQUARE[0][::2]), np.array(SQUARE[0][1::2])
    if isinstance(segmentation, list):
        xs, ys = np.array(segmentation[0][::2]), np.array(segmentation[0][1::2])
    box = [xs.min(), ys.min(), np.ptp(xs), np.ptp(ys)]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "iscrowd": 0,
        "bbox": [float(side) for side in box],
        "area": float(box[2] * box[3]),
        "segmentation": segmentation,
        **more,
    }


def content() -> dict[str, Any]:
    """Three images of 40x64: a square and a triangle; a crowd alone; nothing. Ids have gaps."""
    images = [
        {"id": number, "file_name": f"{number:012d}.jpg", "height": 40, "width": 64}
        for number in (9, 4, 7)
    ]
    return {
        "info": {"description": "made by a test"},
        "images": images,
        "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "toothbrush"}],
        "annotations": [
            annotation(1, 9, 90, SQUARE),
            annotation(2, 9, 18, TRIANGLE),
            annotation(3, 4, 18, LENGTHS, iscrowd=1),
        ],
    }


def write(root: Path, written: dict[str, Any] | None = None, *, split: str = "train") -> Path:
    """Writes the annotations, and a grey JPEG with a white square for every image; returns root."""
    made = content() if written is None else written
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / f"{split}2017").mkdir(exist_ok=True)
    (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(made))
    for image in made["images"]:
        pixels = np.full((40, 64, 3), 90, dtype=np.uint8)
        pixels[5:25, 10:30] = 255
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        (root / f"{split}2017" / image["file_name"]).write_bytes(data)
    return root


def built(root: Path, *, split: str = "train", pipeline: Any = (), **more: Any) -> Any:
    """Returns the data set of two classes under `root`."""
    return DATASETS.build(
        {
            "type": "CocoDataset",
            "data_root": str(root),
            "ann_file": f"annotations/instances_{split}2017.json",
            "data_prefix": {"img_path": f"{split}2017"},
            "metainfo": {"classes": ("dog", "toothbrush")},
            "pipeline": pipeline,
            **more,
        }
    )
