"""PASCAL VOC 2012 as its development kit has it, and the additional labels that are trained on.

- VOC2012/JPEGImages/2007_000032.jpg
- VOC2012/SegmentationClass/2007_000032.png: a palette; an index is a class, 255 a border
- VOC2012/SegmentationClassAug/2008_000002.png: the labels of the Semantic Boundaries Dataset
- VOC2012/ImageSets/Segmentation/{train,val,aug,trainaug}.txt: 1,464, 1,449, 9,118, 10,582 names

trainaug is train and aug together. A training on both is a ConcatDataset of the two, each with its
folder of labels.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from model.data.folders import Origin, check_count
from model.data.palettes import voc_colour
from model.data.segmentation import SegmentationFolder
from model.errors import DataError
from model.registry import DATASETS

CLASSES: tuple[str, ...] = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
PALETTE: tuple[tuple[int, int, int], ...] = tuple(
    (red, green, blue) for red, green, blue in map(voc_colour, range(len(CLASSES)))
)
PUBLISHED = {"train": 1464, "val": 1449, "aug": 9118, "trainaug": 10582}
OF_2012 = re.compile(r"20\d\d_\d{6}")
OF_2007 = re.compile(r"\d{6}")


@DATASETS.register_module()
class PascalVOCDataset(SegmentationFolder):
    """Pairs of image and labels in the order of the list `ann_file`; 21 classes, 255 ignored.

    A list of a published split that has fewer names, and one of VOC2007, are DataErrors; a list of
    another name may hold any selection.
    """

    METAINFO: dict[str, Any] = {  # noqa: RUF012 - mmengine's contract; never written to
        "classes": CLASSES,
        "palette": [list(colour) for colour in PALETTE],
    }
    ORIGIN: ClassVar[Origin] = Origin(
        layout="VOC2012 with JPEGImages, SegmentationClass, ImageSets/Segmentation/train.txt, ...",
        get="Unpack VOCtrainval_11-May-2012.tar from host.robots.ox.ac.uk/pascal/VOC/voc2012 again "
        "(SegmentationClassAug and aug.txt are made of the Semantic Boundaries Dataset), or make "
        "a synthetic one with `python -m model.data.synthetic data/synthetic_voc --kind voc`",
    )

    def __init__(self, *, ann_file: str, **kwargs: Any) -> None:
        super().__init__(ann_file=ann_file, **kwargs)

    def check_folders(self) -> None:
        """Raises DataError where only VOC2007 lies beside the missing folder."""
        root = Path(self.data_root or "")
        if not root.is_dir() and (root.parent / "VOC2007").is_dir():
            raise DataError(
                f"found no folder {root}, only {root.parent / 'VOC2007'}, which has other images; "
                f"expected {self.ORIGIN.layout}. {self.ORIGIN.get}"
            )

    def check_names(self, names: Sequence[str]) -> None:
        """Raises DataError for a list of VOC2007, and for a published one that is cut short."""
        file = Path(self.ann_file)
        if all(OF_2007.fullmatch(name) for name in names):
            raise DataError(
                f"{file}: its {len(names)} names, such as {names[0]}, are those of VOC2007; "
                f"expected names with a year, such as 2007_000032. {self.ORIGIN.get}"
            )
        if file.stem in PUBLISHED and all(OF_2012.fullmatch(name) for name in names):
            check_count(
                len(names),
                PUBLISHED[file.stem],
                what=f"VOC2012's {file.name}",
                folder=file,
                origin=self.ORIGIN,
            )
