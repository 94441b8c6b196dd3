"""Streets and rooms in turns, in ADE20K's layout; 14 of its 150 classes.

- images/{training,validation}/synthetic_000000.jpg
- annotations/{training,validation}/synthetic_000000.png: 0 for none of the classes, then from 1
"""

from pathlib import Path

import numpy as np

from model.data.ade20k import CLASSES
from model.data.labels import LABEL_ID
from model.data.synthetic.files import Array, encode_jpeg, encode_png, write_file
from model.data.synthetic.scene import Canvas, draw_scene, photograph

FOLDERS = ("images", "annotations")
SPLITS = ("training", "validation")
VALUE_OF: dict[str, int] = {name: value for value, name in enumerate(CLASSES, start=1)}
STREET = {
    "sky": "sky",
    "building": "building",
    "vegetation": "tree",
    "road": "road",
    "sidewalk": "sidewalk",
    "car": "car",
    "person": "person",
    "pole": "streetlight",
}
"""Classes of the street scenes, and what ADE20K calls them."""
ROOM: dict[str, tuple[int, int, int]] = {
    "wall": (210, 200, 170),
    "ceiling": (240, 240, 235),
    "floor": (140, 95, 60),
    "windowpane": (130, 190, 245),
    "painting": (190, 60, 130),
    "bed": (90, 60, 190),
}
"""Classes of the rooms, and their colours (RGB)."""


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> None:
    """Writes scene `index` of a split: a street if it is even, else a room."""
    image, labels = draw_room(*size, rng) if index % 2 else draw_street(*size, rng)
    contents = (encode_jpeg(image[..., ::-1]), encode_png(labels))
    for folder, suffix, data in zip(FOLDERS, (".jpg", ".png"), contents, strict=True):
        write_file(out / folder / split / f"synthetic_{index:06d}{suffix}", data)


def draw_street(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns a street: image [H, W, 3] RGB, ADE20K's values [H, W]; uint8."""
    image, label_ids = draw_scene(height, width, rng)
    value_of_id = np.zeros(256, dtype=np.uint8)
    for name, called in STREET.items():
        value_of_id[LABEL_ID[name]] = VALUE_OF[called]
    return image, value_of_id[label_ids]


def draw_room(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns a room: image [H, W, 3] RGB, ADE20K's values [H, W]; uint8."""
    canvas = Canvas(height=height, width=width, rng=rng, label_of=VALUE_OF)
    floor = canvas.px(canvas.between(80, 96))
    _paint(canvas, "wall", (0, height), (0, width))
    _paint(canvas, "ceiling", (0, canvas.px(canvas.between(14, 26))), (0, width))
    _paint(canvas, "floor", (floor, height), (0, width))
    for name, side in zip(("windowpane", "painting"), rng.permutation(2), strict=True):
        top, high = canvas.px(canvas.between(30, 36)), canvas.px(canvas.between(32, 42))
        left, wide = int(side) * width // 2 + width // 16, width * canvas.between(4, 6) // 16
        _paint(canvas, name, (top, top + high), (left, left + wide))
    top, wide = floor - canvas.px(canvas.between(6, 16)), width * canvas.between(5, 8) // 16
    left = canvas.between(0, width - wide)
    _paint(canvas, "bed", (top, height - canvas.px(6)), (left, left + wide))
    return photograph(canvas)


def _paint(canvas: Canvas, name: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    canvas.fill(canvas.box(*rows, *columns), colour=ROOM[name], name=name, shade=15)
