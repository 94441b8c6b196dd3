"""The kinds of synthetic data sets by name: what each is called and which files are its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.data.synthetic import ade20k, camvid, cityscapes, coco, cues, lip, voc

Write = Callable[[Path, str, int, tuple[int, int], np.random.Generator], Any]
"""`write(out, split, index, size, rng)` writes one sample, and returns what `finish` needs."""
Finish = Callable[[Path, Mapping[str, Sequence[Any]]], None]
"""`finish(out, results)` writes what concerns all samples, from what `write` returned per split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A data set of one layout. `size` is (height, width).

    `folders` are the kind's top folders: they are replaced when the data set is made again, and a
    folder of that name that was not made here is refused. The first of `splits` has as many
    samples as are asked for training, each other one as many as for validation.
    """

    says: str
    folders: tuple[str, ...]
    write: Write
    splits: tuple[str, ...] = ("train", "val")
    finish: Finish | None = None


KINDS: dict[str, Kind] = {
    "cityscapes": Kind(
        says="street scenes in Cityscapes' layout",
        folders=cityscapes.FOLDERS,
        write=cityscapes.write,
    ),
    "cues": Kind(
        says="the same, where a distant sign determines the class of the vehicles",
        folders=cityscapes.FOLDERS,
        write=cues.write,
    ),
    "ade20k": Kind(
        says="streets and rooms in ADE20K's layout",
        folders=ade20k.FOLDERS,
        splits=ade20k.SPLITS,
        write=ade20k.write,
    ),
    "voc": Kind(
        says="objects with a border in VOC2012's layout",
        folders=voc.FOLDERS,
        write=voc.write,
        finish=voc.finish,
    ),
    "camvid": Kind(
        says="short videos in CamVid's layout, where motion determines a class",
        folders=camvid.FOLDERS,
        splits=camvid.SPLITS,
        write=camvid.write,
        finish=camvid.finish,
    ),
    "lip": Kind(
        says="people in LIP's layout, whose left and right limbs look alike",
        folders=lip.FOLDERS,
        write=lip.write,
        finish=lip.finish,
    ),
    "coco": Kind(
        says="overlapping shapes in COCO's layout, with boxes and masks",
        folders=coco.FOLDERS,
        write=coco.write,
        finish=coco.finish,
    ),
}
