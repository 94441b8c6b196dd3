"""A file of COCO's annotations: read, checked, and as one entry per image.

{"info": {"description": "COCO 2017 Dataset", ...},
"images": [{"id": 397133, "file_name": "000000397133.jpg", "height": 427, "width": 640}, ...],
"categories": [{"id": 1, "name": "person"}, ...],
"annotations": [{"id": 82445, "image_id": 397133, "category_id": 1, "iscrowd": 0,
"bbox": [left, top, width, height], "area": 1481.3,
"segmentation": polygons [[x, y, x, y, ...], ...] or run lengths}, ...]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.errors import DataError
from model.instance.masks import is_segmentation

PARTS = {
    "images": ("id", "file_name", "height", "width"),
    "categories": ("id", "name"),
    "annotations": ("id", "image_id", "category_id", "bbox", "segmentation"),
}
"""The lists of a file, and what each of their entries must have."""
SMALLEST = 1.0
"""Sides of a box in pixels, below which an object is not trained on."""

Entry = dict[str, Any]


def read_annotations(file: Path, get: str) -> dict[str, Any]:
    """Returns the content of a file of annotations; `get` says how to get it again.

    Raises DataError for a file that is missing, cut short, or of something else.
    """
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"no annotations: found no file {file}. {get}") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}). {get}") from error
    except (ValueError, RecursionError) as error:
        size = file.stat().st_size
        raise DataError(
            f"{file}: {size} bytes that are no JSON ({error}); the file may be cut short. {get}"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: holds a {type(content).__name__}; expected an object. {get}")
    for part, keys in PARTS.items():
        _check_part(file, content, part, keys, get)
    return content


def _check_part(
    file: Path, content: Mapping[str, Any], part: str, keys: Sequence[str], get: str
) -> None:
    """Raises DataError unless a part is a list whose entries have the keys."""
    entries = content.get(part)
    if not isinstance(entries, list):
        raise DataError(
            f"{file}: has no list '{part}'; expected COCO's instance annotations. {get}"
        )
    wrong = [i for i, e in enumerate(entries) if not isinstance(e, dict) or not set(keys) <= set(e)]
    if wrong:
        raise DataError(
            f"{file}: {len(wrong)} of {len(entries)} entries of '{part}', the first at place "
            f"{wrong[0]}, lack some of {', '.join(keys)}; expected COCO's instance annotations"
        )


def category_ids(file: Path, content: Mapping[str, Any], classes: Sequence[str]) -> list[int]:
    """Returns the category id of each class, by its name; DataError for a class without one."""
    ids = {category["name"]: category["id"] for category in content["categories"]}
    absent = [name for name in classes if name not in ids]
    if absent or len(ids) > len(classes):
        raise DataError(
            f"{file}: has the {len(ids)} categories {_few(list(ids))}; expected the {len(classes)} "
            f"classes {_few(classes)}. Give the classes in the data set's config: "
            "metainfo=dict(classes=(...))"
        )
    return [ids[name] for name in classes]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def entries(file: Path, content: Mapping[str, Any], ids: Sequence[int]) -> list[Entry]:
    """Returns one entry per image, sorted by id, with its objects; crowds are left out.

    A crowd is a region of many objects, and no box or mask of one. `bbox` becomes (left, top,
    right, bottom) within the image, `label` counts the classes from 0.
    """
    label = {category: i for i, category in enumerate(ids)}
    images = {image["id"]: {**image, "instances": []} for image in content["images"]}
    for annotation in content["annotations"]:
        image = images.get(annotation["image_id"])
        if image is None or annotation["category_id"] not in label:
            raise DataError(
                f"{file}: annotation {annotation['id']} is of image {annotation['image_id']} and "
                f"category {annotation['category_id']}; expected those that the file lists"
            )
        if annotation.get("iscrowd"):
            continue
        box = _corners(annotation["bbox"], image["height"], image["width"])
        if box is not None:
            image["instances"].append(
                {
                    "bbox": box,
                    "label": label[annotation["category_id"]],
                    "segmentation": _checked(file, annotation),
                }
            )
    return [images[key] for key in sorted(images)]


def _corners(bbox: Sequence[float], height: int, width: int) -> list[float] | None:
    """Returns (left, top, right, bottom) of a box within the image; None if too little is left."""
    left, top = max(0.0, bbox[0]), max(0.0, bbox[1])
    right, bottom = min(float(width), bbox[0] + bbox[2]), min(float(height), bbox[1] + bbox[3])
    whole = right - left >= SMALLEST and bottom - top >= SMALLEST
    return [left, top, right, bottom] if whole else None


def _checked(file: Path, annotation: Mapping[str, Any]) -> Any:
    """Returns the segmentation of an annotation; raises DataError unless it can be a mask."""
    if not is_segmentation(annotation["segmentation"]):
        raise DataError(
            f"{file}: the segmentation of annotation {annotation['id']} is "
            f"{str(annotation['segmentation'])[:60]}; expected polygons of three corners or more, "
            "or run lengths"
        )
    return annotation["segmentation"]
