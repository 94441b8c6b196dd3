"""Objects before a background, in VOC2012's layout; 6 of its 21 classes, and the background.

- JPEGImages/synthetic_train_000000.jpg
- SegmentationClass/synthetic_train_000000.png, of train and val: a palette, 255 for borders
- SegmentationClassAug/synthetic_train_000001.png, of all: the same, as grey values
- ImageSets/Segmentation/{train,aug,trainaug,val}.txt: even training images, odd ones, both, val
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.labels import IGNORE
from model.data.palettes import voc_colour
from model.data.synthetic.files import (
    Array,
    encode_indices,
    encode_jpeg,
    encode_png,
    write_file,
    write_lines,
)
from model.data.synthetic.scene import Canvas, photograph
from model.data.voc import CLASSES

FOLDERS = ("JPEGImages", "SegmentationClass", "SegmentationClassAug", "ImageSets")
VALUE_OF: dict[str, int] = {name: value for value, name in enumerate(CLASSES)}
COLOUR_MAP = [voc_colour(index) for index in range(256)]
OBJECTS: dict[str, tuple[tuple[int, int, int], int]] = {
    "aeroplane": ((225, 225, 235), 260),
    "bus": ((205, 45, 40), 170),
    "bottle": ((30, 130, 60), 50),
    "cat": ((235, 150, 40), 100),
    "person": ((60, 60, 190), 60),
    "tvmonitor": ((25, 25, 30), 130),
}
"""The colour (RGB) of a class, and its width in percent of its height."""
ROUND = ("aeroplane", "cat")


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> str:
    """Writes image `index` of a split and its labels; returns its name."""
    image, labels = draw_objects(*size, rng)
    name = f"synthetic_{split}_{index:06d}"
    contents = {
        f"JPEGImages/{name}.jpg": encode_jpeg(image[..., ::-1]),
        f"SegmentationClassAug/{name}.png": encode_png(labels),
    }
    if split == "val" or index % 2 == 0:
        contents[f"SegmentationClass/{name}.png"] = encode_indices(labels, COLOUR_MAP)
    for place, data in contents.items():
        write_file(out / place, data)
    return name


def finish(out: Path, results: Mapping[str, Sequence[Any]]) -> None:
    """Writes the lists of names."""
    train, val = results["train"], results["val"]
    lists = {"train": train[::2], "aug": train[1::2], "trainaug": train, "val": val}
    folder = out / "ImageSets" / "Segmentation"
    for name, names in lists.items():
        write_lines(folder / f"{name}.txt", names)


def draw_objects(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns an image [H, W, 3] RGB of one to three objects, and its labels [H, W]; uint8."""
    canvas = Canvas(height=height, width=width, rng=rng, label_of=VALUE_OF)
    for top, colour in ((0, (170, 185, 190)), (canvas.px(canvas.between(60, 90)), (120, 140, 90))):
        ground = canvas.box(top, height, 0, width)
        canvas.fill(ground, colour=colour, name="background", shade=25)
    for name in rng.permutation(list(OBJECTS))[: canvas.between(1, 3)]:
        _object(canvas, str(name))
    return photograph(canvas, unlabeled=IGNORE)


def _object(canvas: Canvas, name: str) -> None:
    """Paints an object somewhere, and the border around it."""
    colour, aspect = OBJECTS[name]
    high = canvas.px(canvas.between(48, 72))
    wide = max(high * aspect // 100, 3)
    top = canvas.between(0, canvas.height - high)
    left = canvas.between(0, max(canvas.width - wide, 0))
    if name in ROUND:
        mask = canvas.disc(top + high // 2, left + wide // 2, high // 2, wide=wide // 2)
    else:
        mask = canvas.box(top, top + high, left, left + wide)
    canvas.fill(mask, colour=colour, name=name, shade=15)
    canvas.labels[_grown(mask) & ~mask] = IGNORE


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns a mask [H, W] and the pixels beside it."""
    wide = np.pad(mask, 1)
    sides = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
    return np.asarray(mask | np.logical_or.reduce(sides))
