"""Cityscapes as it comes from its site, without a conversion script.

- leftImg8bit/{train,val}/<city>/<city>_<seq>_<frame>_leftImg8bit.png
- gtFine/{train,val}/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png
- gtFine/{train,val}/<city>/<city>_<seq>_<frame>_gtFine_labelTrainIds.png

Label ids are mapped to train ids when they are loaded; train ids are taken where they exist.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.data.folders import Origin, check_folder, check_pairs, files_under, shown
from model.data.labels import CLASSES, PALETTE
from model.data.stream import StreamDataset
from model.errors import DataError
from model.registry import DATASETS
from model.wording import are

IMAGE_SUFFIX = "_leftImg8bit.png"
LABEL_SUFFIXES = ("_gtFine_labelTrainIds.png", "_gtFine_labelIds.png")
ORIGIN = Origin(
    layout="Cityscapes' layout (leftImg8bit/train, gtFine/train, ...)",
    get="Download leftImg8bit and gtFine from cityscapes-dataset.com again, or make synthetic "
    "scenes with `python -m model.data.synthetic data/synthetic`",
)

# Images per city of the published data set: what a half-finished download is held against.
CITIES: dict[str, int] = {
    "aachen": 174, "bochum": 96, "bremen": 316, "cologne": 154, "darmstadt": 85,
    "dusseldorf": 221, "erfurt": 109, "hamburg": 248, "hanover": 196, "jena": 119,
    "krefeld": 99, "monchengladbach": 94, "strasbourg": 365, "stuttgart": 196,
    "tubingen": 144, "ulm": 95, "weimar": 142, "zurich": 122,
    "frankfurt": 267, "lindau": 59, "munster": 174,
}  # fmt: skip
VAL_CITIES = ("frankfurt", "lindau", "munster")


@DATASETS.register_module()
class CityscapesDataset(StreamDataset):
    """Pairs of image and label file, sorted by path; 19 classes, 255 ignored.

    An image without labels, labels without an image, or a Cityscapes split with fewer images than
    were published is a DataError that names and counts what is missing; `allow_partial=True` keeps
    the complete pairs of a split that is short of images on purpose.
    """

    METAINFO: dict[str, Any] = {  # noqa: RUF012 - mmengine's contract; never written to
        "classes": CLASSES,
        "palette": [list(colour) for colour in PALETTE],
    }

    def __init__(
        self,
        *,
        data_root: str = "",
        data_prefix: Mapping[str, str],
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        allow_partial: bool = False,
        **kwargs: Any,
    ) -> None:
        self.allow_partial = allow_partial
        super().__init__(
            data_root=data_root, data_prefix=dict(data_prefix), pipeline=list(pipeline), **kwargs
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns one dict per pair: `img_path`, `seg_map_path` and which ids the labels are in."""
        image = (Path(self.data_prefix["img_path"]), IMAGE_SUFFIX)
        folder = Path(self.data_prefix["seg_map_path"])
        for each in (image[0], folder):
            check_folder(each, ORIGIN)
        images, labels = files_under(*image), files_under(folder, LABEL_SUFFIXES)
        check_pairs(images, labels, image=image, label=(folder, LABEL_SUFFIXES[1]), origin=ORIGIN)
        if not self.allow_partial:
            _check_complete(image[0], images)
        return [
            {
                "img_path": str(images[key]),
                "seg_map_path": str(labels[key]),
                "label_ids": labels[key].name.endswith("_labelIds.png"),
                "reduce_zero_label": False,
                "seg_fields": [],
            }
            for key in sorted(images)
        ]


def _check_complete(folder: Path, images: Mapping[str, Path]) -> None:
    """Raises DataError for a split of the real Cityscapes that lacks published images."""
    have = Counter(key.partition("/")[0] for key in images)
    known = [city for city in have if city in CITIES]
    if not known:
        return
    split = [c for c in CITIES if (c in VAL_CITIES) == (known[0] in VAL_CITIES)]
    short = [f"{c} {have[c]} of {CITIES[c]}" for c in split if have[c] < CITIES[c]]
    if short:
        missing = sum(CITIES[c] - min(have[c], CITIES[c]) for c in split)
        raise DataError(
            f"Cityscapes is incomplete: {missing} of {sum(CITIES[c] for c in split)} images "
            f"{are(missing)} missing under {folder}: {shown(short, at_most=len(CITIES))}. "
            "Download leftImg8bit and gtFine again, or set allow_partial=True in the data set's "
            "config"
        )
