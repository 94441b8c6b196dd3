"""Short videos in CamVid's layout, in which only motion tells pedestrians from poles.

- train/synthtrain0000_000002.png, trainannot/synthtrain0000_000002.png, train.txt; val, test
- frames/synthtrain0000_000000.png to _000004.png: the whole video, the labelled frame included

Figures of one look are on the pavement and the road. Those that move are pedestrians, those that
stay are poles: in the labelled frame alone the two cannot be told apart. A figure moves by more
than its width from frame to frame. Whether it moves has no part in what is drawn for the labelled
frame. Whole numbers and PCG64 only, as in `scene`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.camvid import CLASSES, VOID
from model.data.labels import LABEL_ID
from model.data.synthetic.files import Array, encode_png, write_file, write_lines
from model.data.synthetic.scene import Canvas, paint_street, photograph

FRAMES = 5
SPLITS = ("train", "val", "test")
FOLDERS = ("train", "trainannot", "val", "valannot", "test", "testannot", "frames")
FIGURE_COLOUR = (205, 70, 60)
NAMES = {
    "sky": "Sky",
    "building": "Building",
    "vegetation": "Tree",
    "road": "Road",
    "sidewalk": "Pavement",
    "pole": "Pole",
    "person": "Pedestrian",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An upright shape; `speed` is in pixels a frame, lengths are in pixels."""

    left: int
    bottom: int
    width: int
    height: int
    shade: tuple[int, ...]
    speed: int

    @property
    def name(self) -> str:
        """Its class, by Cityscapes' name."""
        return "person" if self.speed else "pole"


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> str:
    """Writes video `index` of a split; returns the name of its labelled frame."""
    frames, labels = draw_video(*size, rng)
    names = [f"synth{split}{index:04d}_{number:06d}" for number in range(FRAMES)]
    files = {f"frames/{name}.png": encode_png(image[..., ::-1])
             for name, image in zip(names, frames, strict=True)}  # fmt: skip
    middle = names[FRAMES // 2]
    files[f"{split}/{middle}.png"] = files[f"frames/{middle}.png"]
    files[f"{split}annot/{middle}.png"] = encode_png(labels)
    for name, data in files.items():
        write_file(out / name, data)
    return middle


def finish(out: Path, results: Mapping[str, Sequence[str]]) -> None:
    """Writes the list of each split, an image and its labels on a line."""
    for split, names in results.items():
        lines = (f"/SegNet/CamVid/{split}/{n}.png /SegNet/CamVid/{split}annot/{n}.png"
                 for n in names)  # fmt: skip
        write_lines(out / f"{split}.txt", lines)


def draw_video(height: int, width: int, rng: np.random.Generator) -> tuple[list[Array], Array]:
    """Returns FRAMES images [H, W, 3] RGB and the middle one's labels [H, W], all uint8."""
    street = Canvas(height=height, width=width, rng=rng)
    horizon = paint_street(street)
    figures = [_figure(street, horizon) for _ in range(street.between(3, 5))]
    drawn = [_frame(street, figures, k - FRAMES // 2) for k in range(FRAMES)]
    return [image for image, _ in drawn], _CLASS_OF[drawn[FRAMES // 2][1]]


def _figure(street: Canvas, horizon: int) -> Figure:
    width, height = street.px(street.between(22, 28)), street.px(street.between(40, 52))
    left = street.between(0, street.width - width)
    bottom = horizon + street.px(street.between(24, 66))
    shade = tuple(street.rng.integers(-30, 31, size=3).tolist())
    step = street.px(street.between(34, 44)) * (1 - 2 * street.between(0, 1))
    moves = street.between(0, 1)
    return Figure(left=left, bottom=bottom, width=width, height=height, shade=shade,
                  speed=step * moves)  # fmt: skip


def _frame(street: Canvas, figures: Sequence[Figure], offset: int) -> tuple[Array, Array]:
    """Returns the image and label ids of the frame `offset` frames after the middle one."""
    canvas = Canvas(height=street.height, width=street.width, rng=street.rng)
    canvas.image, canvas.labels = street.image.copy(), street.labels.copy()
    for figure in figures:
        left = figure.left + figure.speed * offset
        mask = canvas.box(figure.bottom - figure.height, figure.bottom, left, left + figure.width)
        canvas.image[mask] = np.add(FIGURE_COLOUR, figure.shade)
        canvas.labels[mask] = LABEL_ID[figure.name]
    return photograph(canvas)


def _table() -> Array:
    table = np.full(256, VOID, dtype=np.uint8)
    for name, ours in NAMES.items():
        table[LABEL_ID[name]] = list(CLASSES).index(ours)
    table.flags.writeable = False
    return table


_CLASS_OF: Array = _table()
