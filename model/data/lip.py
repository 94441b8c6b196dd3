"""LIP ("Look into Person") as its two archives unpack: people cut out of photographs, 20 classes.

- TrainVal_images/{train,val}_images/1000_1234574.jpg
- TrainVal_images/{train,val}_id.txt: a name without suffix a line
- TrainVal_parsing_annotations/{train,val}_segmentations/1000_1234574.png: classes, one channel

Copies in circulation leave out the upper folders (train_images, train_segmentations and
train_id.txt lie side by side) or have each twice (TrainVal_images/TrainVal_images/...). Where the
config's path does not exist, these are tried.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from model.data.folders import Origin, check_count
from model.data.segmentation import SegmentationFolder
from model.registry import DATASETS

# class: (name, colour as RGB); names of the benchmark, colours of CE2P's and mmsegmentation's
_CLASSES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("background", (0, 0, 0)),
    ("hat", (128, 0, 0)),
    ("hair", (255, 0, 0)),
    ("glove", (0, 85, 0)),
    ("sunglasses", (170, 0, 51)),
    ("upperclothes", (255, 85, 0)),
    ("dress", (0, 0, 85)),
    ("coat", (0, 119, 221)),
    ("socks", (85, 85, 0)),
    ("pants", (0, 85, 85)),
    ("jumpsuits", (85, 51, 0)),
    ("scarf", (52, 86, 128)),
    ("skirt", (0, 128, 0)),
    ("face", (0, 0, 255)),
    ("left-arm", (51, 170, 221)),
    ("right-arm", (0, 255, 255)),
    ("left-leg", (85, 255, 170)),
    ("right-leg", (170, 255, 85)),
    ("left-shoe", (255, 255, 0)),
    ("right-shoe", (255, 170, 0)),
)
CLASSES: tuple[str, ...] = tuple(name for name, _ in _CLASSES)
LEFT_RIGHT: tuple[tuple[int, int], ...] = ((14, 15), (16, 17), (18, 19))
"""Arms, legs and shoes: a mirror swaps the two of each pair. Left is the person's left."""
PUBLISHED = {"train": 30462, "val": 10000}
"""Images per split."""
_PUBLISHED_NAME = re.compile(r"\d+_\d+")
"""Number of the photograph and of the person in it; synthetic images have other names."""


@DATASETS.register_module()
class LIPDataset(SegmentationFolder):
    """Pairs of a split in the order of its list, or sorted by name where `ann_file` is ''.

    A listed image that is missing is a DataError, and so is a split with fewer images than were
    published, unless a list of another name chose them.
    """

    ann_file: str  # mmengine's, which has no type
    METAINFO: ClassVar[dict[str, Any]] = {
        "classes": CLASSES,
        "palette": [list(colour) for _, colour in _CLASSES],
        "left_right_pairs": LEFT_RIGHT,
    }
    ORIGIN: ClassVar[Origin] = Origin(
        layout="LIP's layout (TrainVal_images/train_images, TrainVal_images/train_id.txt, "
        "TrainVal_parsing_annotations/train_segmentations, and val_* beside them)",
        get="Download TrainVal_images.zip and TrainVal_parsing_annotations.zip from "
        "sysu-hcp.net/lip and unpack both, or make a synthetic set with "
        "`python -m model.data.synthetic data/synthetic_lip --kind lip`",
    )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns one dict per pair, from whichever of the known layouts is there."""
        for key, path in self.data_prefix.items():
            self.data_prefix[key] = str(existing(Path(path)))
        if self.ann_file:
            self.ann_file = str(existing(Path(self.ann_file)))
        return super().load_data_list()

    def check_names(self, names: Sequence[str]) -> None:
        """Raises DataError for a split of the real LIP that lacks published images."""
        folder = Path(self.data_prefix["img_path"])
        split = folder.name.removesuffix("_images")
        chosen = self.ann_file and Path(self.ann_file).name != f"{split}_id.txt"
        real = any(_PUBLISHED_NAME.fullmatch(name) for name in names)
        if real and split in PUBLISHED and not chosen:
            check_count(
                len(names), PUBLISHED[split], what=f"LIP {split}", folder=folder, origin=self.ORIGIN
            )


def existing(path: Path) -> Path:
    """Returns a path of LIP's layout, or where a copy has it; the path itself if neither exists."""
    doubled = path.parent / path.parent.name / path.name
    flat = path.parent.parent / path.name
    return next((each for each in (path, doubled, flat) if each.exists()), path)
