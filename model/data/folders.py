"""The files of a data set: finding them, pairing images with labels, and what is wrong with them.

A half-finished download or a folder of another data set is common, and training on what happens
to be there would pass unnoticed. So every function here raises a DataError that names the first
files, says how many of how many are concerned, and where to get them.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import DataError
from model.wording import are, counted

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

    If several suffixes fit a name, the earliest in `suffixes` is taken. Hidden files, names that
    end in `leave_out`, and links that lead nowhere are not among them. A folder that is linked
    into itself is read once.
    """
    suffixes = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    found: dict[str, Path] = {}
    rank: dict[str, int] = {}
    for path in _walk(folder):
        name = path.name
        place = next((i for i, s in enumerate(suffixes) if name.endswith(s)), None)
        if place is not None and not (leave_out and name.endswith(leave_out)):
            key = path.relative_to(folder).as_posix().removesuffix(suffixes[place])
            if place <= rank.get(key, place):
                found[key], rank[key] = path, place
    return found


def _walk(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yields the files of a folder and its subfolders, without hidden ones and dead links.

    `above` are the real paths of the folders that it lies in: a link to one of them is left out.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be read ({error.strerror}); expected a folder"
        ) from error
    for entry in found:
        path = folder / entry.name
        if entry.is_symlink() and not path.exists():
            continue
        if entry.is_dir():
            yield from _walk(path, above | {real})
        else:
            yield path


def read_names(file: Path, origin: Origin) -> list[str]:
    """Returns the names that a list file contains, one on a line. Blank lines are left out."""
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
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
            f"{file}: of {counted(len(set(names)), 'name')}, {len(twice)} {are(len(twice))} listed "
            f"more than once: {shown(twice)}. Remove the repetitions"
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
            f"{_files(missing)} missing of {counted(len(set(images) | set(labels)), 'pair')} under "
            f"{image[0]} and {label[0]}: {_shown_missing(missing)}. {origin.get}"
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
            f"{_files(missing)} missing of the {counted(len(names), 'pair')} that {file} lists: "
            f"{_shown_missing(missing)}. {origin.get}"
        )


def check_count(found: int, published: int, *, what: str, folder: Path, origin: Origin) -> None:
    """Raises DataError for a published split that has lost images; `what` names the split."""
    if (missing := published - found) > 0:
        raise DataError(
            f"{what} is incomplete: {missing} of {published} images {are(missing)} missing under "
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


def _files(missing: Sequence[str]) -> str:
    return f"{counted(len(missing), 'file')} {are(len(missing))}"


def _shown_missing(missing: Sequence[str]) -> str:
    """Returns the first missing files, each with what lies in its place, and how many more."""
    first = [path + _instead(Path(path)) for path in missing[:SHOWN]]
    return shown([*first, *missing[SHOWN:]])


def _instead(path: Path) -> str:
    """Returns what lies where a file is missing: a dead link, or a name that differs little.

    That is a name in other letters (a.JPG, or the same letters in another form of Unicode), or one
    of a list that had its suffix already (a.jpg.jpg).
    """
    if path.is_symlink():
        return f" (a link to {path.readlink()}, which is not there)"
    wanted = {_folded(path.name)} | ({_folded(path.stem)} if Path(path.stem).suffix else set())
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return ""
    near = next((name for name in names if _folded(name) in wanted), None)
    if near is None:
        return ""
    alike = unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", path.name)
    return f" (there is {ascii(near) if alike else near})"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _other_files(folder: Path) -> str:
    """Returns which files a folder has, by their last suffix."""
    counts = Counter(path.suffix or "no suffix" for path in _walk(folder))
    dead = sum(path.is_symlink() and not path.exists() for path in folder.rglob("*"))
    if dead:
        counts["links that lead nowhere"] = dead
    found = [f"{count} of {suffix}" for suffix, count in counts.most_common(SHOWN)]
    return f"but {', '.join(found)}" if found else "which has no files"
