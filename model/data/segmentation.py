"""A data set in folders: an image and a PNG of labels for each name, and the classes in the config.

- images/train/a.jpg, images/train/street/b.jpg
- labels/train/a.png, labels/train/street/b.png: one channel or a palette

The value of a label's pixel is its class. With a list of names (`ann_file`), these are used and
the other files are left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from model.data.folders import (
    Origin,
    check_folder,
    check_listed,
    check_pairs,
    files_under,
    read_names,
)
from model.data.palettes import distinct_colours
from model.data.stream import StreamDataset
from model.errors import ConfigError
from model.registry import DATASETS
from model.wording import counted

MOST_CLASSES = 255
"""Labels are bytes, and 255 is what training and metrics ignore."""


@DATASETS.register_module()
class SegmentationFolder(StreamDataset):
    """Pairs of image and label file of one name, sorted by path, or in the order of the list.

    `metainfo` gives `classes`, the names in the order of the labels' values, and may give
    `palette`, a colour (RGB) for each. Pixels with the value `ignore_index` become 255, which
    training and metrics leave out. With `reduce_zero_label`, 0 becomes 255 and the classes begin
    at 1. A file without its partner is a DataError, and so is a label of any other value.

    The data sets of a published layout derive from it: they have classes in `METAINFO`, an
    `ORIGIN`, and may look at the pairs in `check`.
    """

    ORIGIN: ClassVar[Origin] = Origin(
        layout="a folder of images and a folder of label PNGs, with data_prefix=dict("
        "img_path=..., seg_map_path=...) below data_root",
        get="Add or remove files, or correct data_root, data_prefix, img_suffix and seg_map_suffix "
        "in the data set's config",
    )

    def __init__(
        self,
        *,
        data_prefix: Mapping[str, str],
        data_root: str = "",
        ann_file: str = "",
        img_suffix: str = ".jpg",
        seg_map_suffix: str = ".png",
        metainfo: Mapping[str, Any] | None = None,
        ignore_index: int = 255,
        reduce_zero_label: bool = False,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        **kwargs: Any,
    ) -> None:
        _check_prefix(data_prefix, type(self).__name__)
        if data_prefix["img_path"] == data_prefix["seg_map_path"] and img_suffix == seg_map_suffix:
            raise ConfigError(
                f"images and labels of {type(self).__name__} are the same files, *{img_suffix} in "
                f"{data_prefix['img_path']!r}; expected two folders, or two suffixes in one"
            )
        if type(ignore_index) is not int:
            raise ConfigError(
                f"ignore_index of {type(self).__name__} is {ignore_index!r}; expected a whole "
                "number, the value of pixels that have no class"
            )
        self.img_suffix, self.seg_map_suffix = img_suffix, seg_map_suffix
        self.ignore_index, self.reduce_zero_label = ignore_index, reduce_zero_label
        super().__init__(
            data_root=data_root,
            data_prefix=dict(data_prefix),
            ann_file=ann_file,
            metainfo=metainfo,
            pipeline=list(pipeline),
            **kwargs,
        )

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns the classes and their colours; raises ConfigError for what cannot be that."""
        meta: dict[str, Any] = super()._load_metainfo(metainfo)
        classes = checked_classes(meta.get("classes"), cls.__name__)
        published = tuple(cls.METAINFO.get("classes", classes))
        if classes != published:
            raise ConfigError(
                f"metainfo of {cls.__name__} names {_classes(len(classes))} other than its "
                f"{len(published)}; leave classes out, or use SegmentationFolder"
            )
        meta["classes"] = classes
        palette = meta.get("palette")
        if palette is None or (isinstance(palette, (list, tuple)) and not palette):
            palette = distinct_colours(len(classes))
        meta["palette"] = checked_palette(palette, len(classes), cls.__name__)
        return meta

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns one dict per pair, with the two paths and what the values of labels mean."""
        image = (Path(self.data_prefix["img_path"]), self.img_suffix)
        label = (Path(self.data_prefix["seg_map_path"]), self.seg_map_suffix)
        names, images, labels = self._pairs(image, label)
        return [
            {
                "img_path": str(images[name]),
                "seg_map_path": str(labels[name]),
                "reduce_zero_label": self.reduce_zero_label,
                "ignore_index": self.ignore_index,
                "seg_fields": [],
            }
            for name in names
        ]

    def _pairs(
        self, image: tuple[Path, str], label: tuple[Path, str]
    ) -> tuple[list[str], dict[str, Path], dict[str, Path]]:
        """Returns the names, and the image and the label file of each."""
        self.check_folders()
        for folder, _ in (image, label):
            check_folder(folder, self.ORIGIN)
        images = files_under(*image, leave_out=_longer(label, image))
        labels = files_under(*label, leave_out=_longer(image, label))
        if self.ann_file:
            file = Path(self.ann_file)
            names = self.read_list(file)
            self.check_names(names)
            check_listed(
                names, images, labels, image=image, label=label, file=file, origin=self.ORIGIN
            )
        else:
            check_pairs(images, labels, image=image, label=label, origin=self.ORIGIN)
            names = sorted(images)
            self.check_names(names)
        return names, images, labels

    def read_list(self, file: Path) -> list[str]:
        """Returns the names in a list, one on a line."""
        return read_names(file, self.ORIGIN)

    def check_folders(self) -> None:
        """Raises DataError where the folders are those of another data set; none are known here."""

    def check_names(self, names: Sequence[str]) -> None:
        """Raises DataError where images of a published split are missing; none is known here."""


def _check_prefix(data_prefix: Any, owner: str) -> None:
    """Raises ConfigError unless a config names the two folders."""
    wanted = ["img_path", "seg_map_path"]
    named = isinstance(data_prefix, Mapping) and sorted(data_prefix) == wanted
    if not named or not all(isinstance(folder, str) for folder in data_prefix.values()):
        raise ConfigError(
            f"data_prefix of {owner} is {data_prefix!r}; expected the folders below data_root, "
            "dict(img_path='...', seg_map_path='...')"
        )


def _classes(number: int) -> str:
    return counted(number, "class", "classes")


def _longer(other: tuple[Path, str], own: tuple[Path, str]) -> str | None:
    """Returns the other files' suffix if they lie in the same folder and it ends in this one."""
    beside = other[0] == own[0] and other[1] != own[1] and other[1].endswith(own[1])
    return other[1] if beside else None


def checked_classes(classes: Any, owner: str) -> tuple[str, ...]:
    """Returns the names of classes. Raises ConfigError unless they are that, each once."""
    named = isinstance(classes, Sequence) and not isinstance(classes, str)
    if not named or not classes or not all(isinstance(name, str) for name in classes):
        raise ConfigError(
            f"classes of {owner} are {classes!r}; expected metainfo=dict(classes=('road', ...)), "
            "the names in the order of the labels' values"
        )
    if len(set(classes)) < len(classes) or len(classes) > MOST_CLASSES:
        raise ConfigError(
            f"{owner} has {_classes(len(classes))} of {counted(len(set(classes)), 'name')}; "
            f"expected each name once, and at most {MOST_CLASSES}"
        )
    return tuple(classes)


def checked_palette(palette: Any, classes: int, owner: str) -> list[list[int]]:
    """Returns a palette, lists or an array, as lists of whole numbers.

    Raises ConfigError unless it has a colour for each class.
    """
    try:
        colours = np.asarray(palette)
    except ValueError:  # entries of different lengths
        colours = np.empty(0)
    whole = colours.dtype.kind in "iu" and colours.size > 0
    if not whole or colours.shape != (classes, 3) or colours.min() < 0 or colours.max() > 255:
        several = isinstance(palette, (list, tuple)) or getattr(palette, "ndim", 0) > 0
        found = f"has {counted(len(palette), 'entry', 'entries')}" if several else f"is {palette!r}"
        raise ConfigError(
            f"palette of {owner} {found} for {_classes(classes)}; expected a list or an array, "
            "with one [red, green, blue] from 0 to 255 for each"
        )
    lists: list[list[int]] = colours.tolist()
    return lists
