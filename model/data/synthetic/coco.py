"""Overlapping shapes in COCO's layout; colours and sizes say nothing about the class.

- annotations/instances_train2017.json, annotations/instances_val2017.json
- train2017/000000000001.jpg, ...
- val2017/000000100001.jpg, ...

A whole shape is annotated by its outline, what can be seen of a hidden one by run lengths, and the
dots in every eighth image are a crowd. Whole numbers and PCG64 only, as in `scene`.

Letters: H height, W width.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.synthetic.files import Array, encode_jpeg, write_file, write_lines

FOLDERS = ("annotations", "train2017", "val2017")
IDS = {"circle": 1, "square": 3, "triangle": 7}
"""The categories. Their ids have gaps, as COCO's have."""
FIRST_ID = {"train": 1, "val": 100001}
CROWDED = 8
"""Every so many images one has a crowd; the first of a split is one of them."""
DOTS = 7
CORNERS = 32
"""Of a circle's outline."""

Mask = NDArray[np.bool_]
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A shape within `radius` pixels of (x, y), which is a corner between pixels."""

    name: str
    x: int
    y: int
    radius: int

    def mask(self, height: int, width: int) -> Mask:
        """Returns the pixels [H, W] whose centres are inside."""
        down, right = np.ogrid[1 : 2 * height : 2, 1 : 2 * width : 2]  # in half pixels
        down, right, radius = down - 2 * self.y, right - 2 * self.x, 2 * self.radius
        if self.name == "circle":
            return np.asarray(down**2 + right**2 <= radius**2)
        if self.name == "square":
            return (abs(down) <= radius) & (abs(right) <= radius)
        return (down <= radius) & (2 * abs(right) <= down + radius)

    def outline(self) -> list[float]:
        """Returns the corners as x, y, x, y, ..., in pixels."""
        x, y, r = self.x, self.y, self.radius
        if self.name == "circle":
            turns = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
            corners = [(x + r * math.cos(t), y + r * math.sin(t)) for t in turns]
        elif self.name == "square":
            corners = [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
        else:
            corners = [(x, y - r), (x + r, y + r), (x - r, y + r)]
        return [round(float(c), 2) for corner in corners for c in corner]


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Entry, list[Entry]]:
    """Writes image `index` of a split; returns its entry, and its annotations without ids."""
    number = FIRST_ID[split] + index
    name = f"{number:012d}.jpg"
    image, annotations = draw_shapes(*size, rng, crowd=index % CROWDED == 0)
    write_file(out / f"{split}2017" / name, encode_jpeg(image[..., ::-1]))  # BGR
    entry = {"id": number, "file_name": name, "height": size[0], "width": size[1]}
    return entry, [{"image_id": number, **annotation} for annotation in annotations]


def finish(out: Path, results: Mapping[str, Sequence[tuple[Entry, list[Entry]]]]) -> None:
    """Writes the annotations of every split."""
    for split, written in results.items():
        annotations = enumerate((each for _, found in written for each in found), FIRST_ID[split])
        content = {
            "info": {"description": "Synthetic shapes", "year": 2017},
            "images": [entry for entry, _ in written],
            "categories": [{"id": i, "name": name} for name, i in IDS.items()],
            "annotations": [{"id": n, **each} for n, each in annotations],
        }
        path = out / "annotations" / f"instances_{split}2017.json"
        write_lines(path, [json.dumps(content)])


def draw_shapes(
    height: int, width: int, rng: np.random.Generator, *, crowd: bool
) -> tuple[Array, list[Entry]]:
    """Returns an image [H, W, 3] uint8 RGB and the annotations of its objects."""
    image = rng.integers(20, 90, size=3) + np.zeros((height, width, 1), dtype=np.int64)
    dots = _dots(height, width, rng) if crowd else []
    shapes = _shapes(height, width, rng)
    masks = [shape.mask(height, width) for shape in (*dots, *shapes)]
    for mask in masks:
        image[mask] = _colour(rng)
    image = (image + rng.integers(-12, 13, size=image.shape)).clip(0, 255)
    seen = _seen(masks)
    objects = zip(shapes, seen[len(dots) :], masks[len(dots) :], strict=True)
    annotations = [_annotation(*each) for each in objects]
    if dots:
        annotations.append(_crowd(_any(seen[: len(dots)], (height, width))))
    return image.astype(np.uint8), annotations


def _shapes(height: int, width: int, rng: np.random.Generator) -> list[Shape]:
    """Returns two to five shapes; each hides less than half of any before."""
    unit = min(height, width)
    wanted, shapes, masks = int(rng.integers(2, 6)), [], list[Mask]()
    for _ in range(4 * wanted):
        radius = int(rng.integers(unit // 10, unit // 5 + 1))
        shape = Shape(
            name=tuple(IDS)[rng.integers(len(IDS))],
            x=int(rng.integers(radius, width - radius + 1)),
            y=int(rng.integers(radius, height - radius + 1)),
            radius=radius,
        )
        more = [*masks, shape.mask(height, width)]
        if all(2 * seen.sum() > whole.sum() for seen, whole in zip(_seen(more), more, strict=True)):
            shapes.append(shape)
            masks = more
        if len(shapes) == wanted:
            break
    return shapes


def _dots(height: int, width: int, rng: np.random.Generator) -> list[Shape]:
    """Returns small circles close to each other."""
    unit = min(height, width)
    radius, spread = max(2, unit // 24), unit // 6
    x, y = (int(rng.integers(spread + radius, side - spread - radius)) for side in (width, height))
    places = rng.integers(-spread, spread + 1, size=(DOTS, 2)).tolist()
    return [Shape(name="circle", x=x + dx, y=y + dy, radius=radius) for dx, dy in places]


def _colour(rng: np.random.Generator) -> NDArray[np.int64]:
    """Returns a colour that is brighter than any background in one channel at least."""
    colour = rng.integers(60, 256, size=3)
    colour[rng.integers(3)] = rng.integers(180, 256)
    return colour


def _any(masks: Sequence[Mask], shape: tuple[int, ...]) -> Mask:
    """Returns the pixels that are in one of the masks [H, W]."""
    return np.logical_or.reduce([np.zeros(shape, dtype=bool), *masks])


def _seen(masks: Sequence[Mask]) -> list[Mask]:
    """Returns what is seen of each mask [H, W] when the later ones are drawn over it."""
    return [mask & ~_any(masks[n + 1 :], mask.shape) for n, mask in enumerate(masks)]


def _annotation(shape: Shape, seen: Mask, whole: Mask) -> Entry:
    """Returns what is annotated of a shape of which some pixels are seen."""
    hidden = seen.sum() < whole.sum()
    segmentation = run_lengths(seen) if hidden else [shape.outline()]
    return {
        "category_id": IDS[shape.name],
        "iscrowd": 0,
        **_extent(seen),
        "segmentation": segmentation,
    }


def _crowd(mask: Mask) -> Entry:
    """Returns the annotation of a crowd of circles."""
    return {
        "category_id": IDS["circle"],
        "iscrowd": 1,
        **_extent(mask),
        "segmentation": run_lengths(mask),
    }


def _extent(mask: Mask) -> Entry:
    """Returns the box (left, top, width, height) around a mask's pixels, and their number."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return {"bbox": [0.0, 0.0, 0.0, 0.0], "area": 0.0}
    left, top = int(columns[0]), int(rows[0])
    wide, high = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
    return {"bbox": [float(v) for v in (left, top, wide, high)], "area": float(mask.sum())}


def run_lengths(mask: Mask) -> Entry:
    """Returns COCO's run lengths of a mask [H, W]: down the columns, pixels outside first."""
    flat = mask.flatten(order="F")
    ends = [*(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    counts = np.diff([0, *ends]).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(mask.shape)}
