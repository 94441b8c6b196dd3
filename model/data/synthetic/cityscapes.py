"""Street scenes in Cityscapes' layout, with labels as ids, so that a run maps them to train ids.

- leftImg8bit/{train,val}/synthville/synthville_000000_000000_leftImg8bit.png
- gtFine/{train,val}/synthville/synthville_000000_000000_gtFine_labelIds.png
"""

from pathlib import Path

import numpy as np

from model.data.synthetic.files import Array, encode_png, write_file
from model.data.synthetic.scene import draw_scene

CITY = "synthville"
FOLDERS = ("leftImg8bit", "gtFine")


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> None:
    """Writes scene `index` of a split."""
    write_pair(out, split, index, *draw_scene(*size, rng))


def write_pair(out: Path, split: str, index: int, image: Array, label_ids: Array) -> None:
    """Writes an image [H, W, 3] RGB and its label ids [H, W], both uint8."""
    stem = f"{CITY}_{index:06d}_000000"
    files = (f"{stem}_leftImg8bit.png", f"{stem}_gtFine_labelIds.png")
    for folder, name, pixels in zip(FOLDERS, files, (image[..., ::-1], label_ids), strict=True):
        write_file(out / folder / split / CITY / name, encode_png(pixels))  # colours as BGR
