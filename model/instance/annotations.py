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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.errors import DataError
from model.instance.masks import is_number, is_segmentation

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
    for place, entry in enumerate(entries):
        for key in keys:
            fits, expected = KINDS.get(key, ANYTHING)
            if not fits(entry[key]):
                named = entry["id"] if _is_id(entry["id"]) else f"at place {place}"
                raise DataError(
                    f"{file}: {key} of {SINGULAR[part]} {named} is {str(entry[key])[:60]!r}; "
                    f"expected {expected}. {get}"
                )


def _is_id(value: Any) -> bool:
    return type(value) is int


def _is_side(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


ID = (_is_id, "a whole number")
KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "id": ID,
    "image_id": ID,
    "category_id": ID,
    "height": (_is_side, "a number of pixels"),
    "width": (_is_side, "a number of pixels"),
    "file_name": (_is_text, "the name of a file"),
    "name": (_is_text, "a name"),
    "bbox": (_is_box, "four numbers: left, top, width, height"),
}
"""What a value must be, and how a message calls that."""
ANYTHING = (lambda _: True, "anything")
SINGULAR = {"images": "image", "categories": "category", "annotations": "annotation"}


def category_ids(file: Path, content: Mapping[str, Any], classes: Sequence[str]) -> list[int]:
    """Returns the category id of each class, by its name; DataError for a class without one."""
    ids: dict[str, int] = {}
    for category in content["categories"]:
        name = category["name"]
        if name in ids:
            raise DataError(
                f"{file}: categories {ids[name]} and {category['id']} are both named {name}; "
                "expected a name for each. Rename one, or merge them"
            )
        ids[name] = category["id"]
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
    images: dict[int, Entry] = {}
    for image in content["images"]:
        if image["id"] in images:
            raise DataError(
                f"{file}: images {images[image['id']]['file_name']} and {image['file_name']} both "
                f"have the id {image['id']}; expected an id for each. Number the images anew"
            )
        images[image["id"]] = {**image, "instances": []}
    for annotation in content["annotations"]:
        owner = images.get(annotation["image_id"])
        if owner is None or annotation["category_id"] not in label:
            raise DataError(
                f"{file}: annotation {annotation['id']} is of image {annotation['image_id']} and "
                f"category {annotation['category_id']}; expected those that the file lists"
            )
        if annotation.get("iscrowd"):
            continue
        box = _corners(annotation["bbox"], owner["height"], owner["width"])
        if box is not None:
            owner["instances"].append(
                {
                    "bbox": box,
                    "label": label[annotation["category_id"]],
                    "segmentation": _checked(file, annotation, owner),
                }
            )
    return [images[key] for key in sorted(images)]


def _corners(bbox: Sequence[float], height: int, width: int) -> list[float] | None:
    """Returns (left, top, right, bottom) of a box within the image; None if too little is left."""
    left, top = max(0.0, bbox[0]), max(0.0, bbox[1])
    right, bottom = min(float(width), bbox[0] + bbox[2]), min(float(height), bbox[1] + bbox[3])
    whole = right - left >= SMALLEST and bottom - top >= SMALLEST
    return [left, top, right, bottom] if whole else None


def _checked(file: Path, annotation: Mapping[str, Any], image: Entry) -> Any:
    """Returns the segmentation of an annotation; raises DataError unless it can be a mask."""
    if not is_segmentation(annotation["segmentation"]):
        raise DataError(
            f"{file}: the segmentation of annotation {annotation['id']} is "
            f"{str(annotation['segmentation'])[:60]}; expected polygons of three corners or more, "
            "or run lengths"
        )
    size = [image["height"], image["width"]]
    if isinstance(annotation["segmentation"], dict) and annotation["segmentation"]["size"] != size:
        raise DataError(
            f"{file}: the run lengths of annotation {annotation['id']} have the size "
            f"{str(annotation['segmentation']['size'])[:60]}; expected that of its image, {size}"
        )
    return annotation["segmentation"]
