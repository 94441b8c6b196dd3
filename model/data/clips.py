"""Clips: a labelled image with the frames before and after it.

A clip of T frames travels through the transforms as an array [H, W, 3T] uint8, frame by frame in
BGR. So one crop, flip and resize falls on all frames alike, and so does one photometric change.

A name such as `0001TP_006690`, `0006R0_f00930` or `Seq05VD_f00000` is that of a video's sequence
and the number of the frame in it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.data.folders import Origin, check_folder, files_under, shown
from model.data.loading import read_image
from model.errors import DataError
from model.registry import TRANSFORMS
from model.wording import are, counted

Results = dict[str, Any]
FRAME_SUFFIXES = (".png", ".jpg")
_NAME = re.compile(r"(?P<sequence>.+)_f?(?P<number>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Moment:
    """A frame of a video: `number` counts the frames of a sequence."""

    sequence: str
    number: int


def moments(names: Iterable[str], folder: Path) -> dict[Moment, str]:
    """Returns the names by the moments that they state.

    A name that states no moment is a DataError, and so are two names of one moment.
    """
    names = list(names)
    found = {name: _NAME.fullmatch(name) for name in names}
    if odd := [name for name, match in found.items() if match is None]:
        raise DataError(
            f"{len(odd)} of {len(names)} names under {folder} state no frame of a sequence: "
            f"{shown(odd)}; expected names as 0001TP_006690: a sequence, _ and a number. Rename "
            "or remove the files"
        )
    known: dict[Moment, str] = {}
    for name, match in found.items():
        if match is None:
            continue
        moment = Moment(sequence=match["sequence"], number=int(match["number"]))
        if moment in known:
            raise DataError(
                f"{known[moment]} and {name} under {folder} state the same frame, number "
                f"{moment.number} of {moment.sequence}; expected each frame once. Remove one file"
            )
        known[moment] = name
    return known


def clip_numbers(middle: int, length: int, step: int, *, first: int, last: int) -> list[int]:
    """Returns the numbers of a clip's frames, `step` apart, with `middle` in the middle.

    Frames lie between `first` and `last`. Beyond an end, the outermost frame is repeated.
    """
    before, after = (middle - first) // step, (last - middle) // step
    half = length // 2
    return [middle + step * max(-before, min(after, k)) for k in range(-half, half + 1)]


def neighbours(images: Mapping[str, Path], length: int, folder: Path) -> dict[str, list[str]]:
    """Returns, for each labelled image, its clip of labelled images of the same sequence.

    They follow each other in the order of their numbers, however far apart these are.
    """
    known = moments(images, folder)
    by_sequence: dict[str, list[str]] = defaultdict(list)
    for moment in sorted(known):
        by_sequence[moment.sequence].append(known[moment])
    return {
        name: [str(images[names[k]]) for k in clip_numbers(at, length, 1, first=0, last=end)]
        for names in by_sequence.values()
        for end in [len(names) - 1]
        for at, name in enumerate(names)
    }


def around(
    images: Mapping[str, Path], length: int, *, step: int, frames: Path, origin: Origin
) -> dict[str, list[str]]:
    """Returns, for each labelled image, its clip with the frames of a folder around it.

    The middle one is the image itself. A frame that is missing within its sequence is a DataError.
    """
    check_folder(frames, origin)
    files = files_under(frames, FRAME_SUFFIXES)
    file_of = {moment: files[name] for moment, name in moments(files, frames).items()}
    ends = _ends(file_of)
    clips: dict[str, list[str]] = {}
    missing: set[str] = set()
    known = moments(images, frames)
    for moment, name in known.items():
        first, last = ends.get(moment.sequence, (moment.number, moment.number))
        numbers = clip_numbers(
            moment.number, length, step, first=min(first, moment.number),
            last=max(last, moment.number),
        )  # fmt: skip
        wanted = [Moment(sequence=moment.sequence, number=number) for number in numbers]
        paths = [images[name] if each == moment else file_of.get(each) for each in wanted]
        missing |= {_named(each) for each, p in zip(wanted, paths, strict=True) if p is None}
        clips[name] = [str(path) for path in paths]
        if moment.sequence not in ends:
            missing.add(f"all of {moment.sequence}")
    if missing:
        raise DataError(
            f"{counted(len(missing), 'frame')} of the clips around {counted(len(known), 'image')} "
            f"{are(len(missing))} missing under {frames}: {shown(sorted(missing))}; expected "
            f"{origin.layout}. {origin.get}"
        )
    return clips


def _named(moment: Moment) -> str:
    return f"{moment.sequence}_{moment.number:06d}"


def _ends(found: Iterable[Moment]) -> dict[str, tuple[int, int]]:
    """Returns the first and last number of each sequence."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for moment in found:
        numbers[moment.sequence].append(moment.number)
    return {sequence: (min(values), max(values)) for sequence, values in numbers.items()}


@TRANSFORMS.register_module()
class LoadClip:
    """Adds `img`, [H, W, 3T] uint8: the frames at `frame_paths`, and `num_frames`, T.

    `img_shape` and `ori_shape` are (H, W). `PackSegInputs` makes a tensor [T, 3, H, W] of it.
    """

    def __call__(self, results: Results) -> Results:
        """Reads the frames; one that is repeated is read once."""
        paths: Sequence[str] = results["frame_paths"]
        images = {path: read_image(path) for path in dict.fromkeys(paths)}
        _check_alike(results["img_path"], {path: i.shape[:2] for path, i in images.items()})
        results["img"] = np.concatenate([images[path] for path in paths], axis=2)
        results["num_frames"] = len(paths)
        results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
        return results


def _check_alike(labelled: str, sizes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises DataError unless all frames (H, W) have the size of the labelled image."""
    height, width = sizes.get(labelled) or next(iter(sizes.values()))
    for path, (high, wide) in sizes.items():
        if (high, wide) != (height, width):
            raise DataError(
                f"{path} is {wide}x{high} pixels, and {labelled} {width}x{height}; expected frames "
                "of one size. Resize the frames to the size of the labelled images"
            )
