"""The files of a data set: finding them, pairing images with labels, and what is wrong with them.

A half-finished download or a folder of another data set is common, and training on what happens
to be there would pass unnoticed. So every function here raises a DataError that names the first
files, says how many of how many are concerned, and where to get them.
"""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import DataError

SHOWN = 5
"""Names in a message; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a message says about a data set: its layout, and how to get it.

    `layout` follows "expected"; `get` is a sentence without its full stop.
    """

    layout: str
    get: str


def check_folder(folder: Path, origin: Origin) -> None:
    """Raises DataError unless there is such a folder."""
    if not folder.is_dir():
        raise DataError(
            f"no data set here: found no folder {folder}; expected {origin.layout}. Set data_root. "
            f"{origin.get}"
        )


def files_under(
    folder: Path, suffixes: str | Sequence[str], *, leave_out: str | None = None
) -> dict[str, Path]:
    """Returns the files of a folder and its subfolders: path below it without suffix -> file.

    If several suffixes fit a name, the earliest in `suffixes` is taken. Hidden files and names
    that end in `leave_out` are not among them.
    """
    suffixes = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    found: dict[str, Path] = {}
    rank: dict[str, int] = {}
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            place = next((i for i, s in enumerate(suffixes) if name.endswith(s)), None)
            if place is None or name.startswith(".") or (leave_out and name.endswith(leave_out)):
                continue
            path = Path(parent, name)
            key = path.relative_to(folder).as_posix().removesuffix(suffixes[place])
            if place <= rank.get(key, place):
                found[key], rank[key] = path, place
    return found


def read_names(file: Path, origin: Origin) -> list[str]:
    """Returns the names that a list file contains, one on a line. Blank lines are left out."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"no list of names: found no file {file}; expected {origin.layout}. {origin.get}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise DataError(f"{file}: cannot be read ({reason}); expected one name a line") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{file}: {len(twice)} of {len(set(names))} names occur more than once: "
            f"{shown(twice)}. Remove the repetitions"
        )
    if not names:
        raise DataError(f"{file}: is empty; expected one name a line. {origin.get}")
    return names


def check_pairs(
    images: Mapping[str, Path],
    labels: Mapping[str, Path],
    *,
    image: tuple[Path, str],
    label: tuple[Path, str],
    origin: Origin,
) -> None:
    """Raises DataError unless every image has labels, every label file its image, and some exist.

    `image` and `label` are the folder and the suffix of the files.
    """
    for what, files, (folder, suffix) in (("images", images, image), ("labels", labels, label)):
        if not files:
            raise DataError(
                f"no {what}: found no *{suffix} under {folder}, {_other_files(folder)}; expected "
                f"{origin.layout}. {origin.get}"
            )
    missing = absent(labels, images, *image) + absent(images, labels, *label)
    if missing:
        raise DataError(
            f"{len(missing)} files are missing of {len(set(images) | set(labels))} pairs under "
            f"{image[0]} and {label[0]}: {shown(missing)}. {origin.get}"
        )


def check_listed(
    names: Collection[str],
    images: Mapping[str, Path],
    labels: Mapping[str, Path],
    *,
    image: tuple[Path, str],
    label: tuple[Path, str],
    file: Path,
    origin: Origin,
) -> None:
    """Raises DataError unless every listed name has its image and its labels."""
    missing = absent(names, images, *image) + absent(names, labels, *label)
    if missing:
        raise DataError(
            f"{len(missing)} files are missing of the {len(names)} pairs that {file} lists: "
            f"{shown(missing)}. {origin.get}"
        )


def check_count(found: int, published: int, *, what: str, folder: Path, origin: Origin) -> None:
    """Raises DataError for a published split that has lost images; `what` names the split."""
    if found < published:
        raise DataError(
            f"{what} is incomplete: {published - found} of {published} images are missing under "
            f"{folder}. {origin.get}, or list the images to use in a file of another name "
            "(ann_file)"
        )


def absent(
    wanted: Collection[str], have: Mapping[str, Path], folder: Path, suffix: str
) -> list[str]:
    """Returns the paths of the wanted files that are not there, sorted."""
    return [f"{folder}/{name}{suffix}" for name in sorted(set(wanted) - set(have))]


def shown(names: Sequence[str], *, at_most: int = SHOWN) -> str:
    """Returns the first few names, and how many more there are."""
    rest = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {rest} more" if rest > 0 else "")


def _other_files(folder: Path) -> str:
    """Returns which files a folder has, by their last suffix."""
    counts: Counter[str] = Counter()
    for _, _, names in os.walk(folder, followlinks=True):
        counts.update(Path(name).suffix or "no suffix" for name in names if name[0] != ".")
    found = [f"{count} of {suffix}" for suffix, count in counts.most_common(SHOWN)]
    return f"but {', '.join(found)}" if found else "which has no files"
