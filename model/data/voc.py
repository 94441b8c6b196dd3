"""PASCAL VOC 2012 as its development kit has it, and the additional labels that are trained on.

- VOC2012/JPEGImages/2007_000032.jpg
- VOC2012/SegmentationClass/2007_000032.png: a palette; an index is a class, 255 a border
- VOC2012/SegmentationClassAug/2008_000002.png: the labels of the Semantic Boundaries Dataset
- VOC2012/ImageSets/Segmentation/{train,val,trainval}.txt: 1,464, 1,449 and 2,913 names
- VOC2012/ImageSets/Segmentation/{aug,trainaug}.txt: 9,118 and 10,582 names

trainaug is train and aug together. A training on both is a ConcatDataset of the two, each with its
folder of labels.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from model.data.folders import Origin
from model.data.palettes import voc_colour
from model.data.segmentation import SegmentationFolder
from model.errors import DataError
from model.registry import DATASETS
from model.wording import are

CLASSES: tuple[str, ...] = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
PALETTE: tuple[tuple[int, int, int], ...] = tuple(
    (red, green, blue) for red, green, blue in map(voc_colour, range(len(CLASSES)))
)
PUBLISHED = {"train": 1464, "val": 1449, "trainval": 2913, "aug": 9118, "trainaug": 10582}
ADDITIONAL = "SegmentationClassAug"
OF_2012 = re.compile(r"20\d\d_\d{6}")
OF_2007 = re.compile(r"\d{6}")


@DATASETS.register_module()
class PascalVOCDataset(SegmentationFolder):
    """Pairs of image and labels in the order of the list `ann_file`; 21 classes, 255 ignored.

    A list of a published split that has fewer of VOC2012's names than were published, and a list
    of VOC2007, are DataErrors; a list of another name may hold any selection.
    """

    METAINFO: dict[str, Any] = {  # noqa: RUF012 - mmengine's contract; never written to
        "classes": CLASSES,
        "palette": [list(colour) for colour in PALETTE],
    }
    ORIGIN: ClassVar[Origin] = Origin(
        layout="VOC2012 with the folders JPEGImages, SegmentationClass and ImageSets/Segmentation",
        get="Unpack VOCtrainval_11-May-2012.tar from host.robots.ox.ac.uk/pascal/VOC/voc2012 again "
        "(SegmentationClassAug and aug.txt are made of the Semantic Boundaries Dataset), or make "
        "a synthetic one with `python -m model.data.synthetic data/synthetic_voc --kind voc`",
    )

    def __init__(self, *, ann_file: str, **kwargs: Any) -> None:
        super().__init__(ann_file=ann_file, **kwargs)

    def check_folders(self) -> None:
        """Raises DataError for a folder of VOC2007 alone, and without the additional labels."""
        root = Path(self.data_root or "")
        if not root.is_dir() and (root.parent / "VOC2007").is_dir():
            raise DataError(
                f"found no folder {root}, only {root.parent / 'VOC2007'}, which has other images; "
                f"expected {self.ORIGIN.layout}. {self.ORIGIN.get}"
            )
        labels = Path(self.data_prefix["seg_map_path"])
        images = Path(self.data_prefix["img_path"])
        if labels.name == ADDITIONAL and images.is_dir() and not labels.is_dir():
            raise DataError(
                f"found no folder {labels}; expected the additional labels beside {images.name}. "
                "They are not in VOCtrainval_11-May-2012.tar: make them and aug.txt of the "
                "Semantic Boundaries Dataset with mmsegmentation's "
                "tools/dataset_converters/voc_aug.py"
            )

    def check_names(self, names: Sequence[str]) -> None:
        """Raises DataError for a list of VOC2007, and for a published one that is cut short."""
        file = Path(self.ann_file)
        if all(OF_2007.fullmatch(name) for name in names):
            raise DataError(
                f"{file}: its {len(names)} names, such as {names[0]}, are those of VOC2007; "
                f"expected names with a year, such as 2007_000032. {self.ORIGIN.get}"
            )
        published = PUBLISHED.get(file.stem, 0)
        found = sum(OF_2012.fullmatch(name) is not None for name in names)
        if 0 < found < published:
            missing = published - found
            raise DataError(
                f"VOC2012's {file.name} is incomplete: {missing} of {published} names "
                f"{are(missing)} missing in {file}. {self.ORIGIN.get}, or list the images to use "
                "in a file of another name (ann_file)"
            )
