"""Writes the report of a comparison into a folder, and removes an old report."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.system.whole import UNFINISHED, fill_folder, guarded, real_folder, write_text

if TYPE_CHECKING:
    from harness.comparison.pipeline import Comparison
    from harness.locate.result import Located

DATA, PAGE = "comparison.json", "report.html"
LOCATED, LOCATED_PAGE = "locate.json", "locate.html"
PICTURES = ("comparison.png", "comparison.svg")
PICTURE = PICTURES[0]
OWNER = ".harness-port"
"""A file in the report folder of a port, with the path of the manifest whose check wrote it."""
MAX_PAGE = 64 << 20
"""Largest page that gets a link; the page of a comparison has a few hundred kB."""
REPORT_FILES = frozenset({DATA, PAGE, LOCATED, LOCATED_PAGE, "report.md", *PICTURES, OWNER})


def save_report(
    comparison: Comparison, folder: Path, *, command: str, owner: str | None = None
) -> None:
    """Writes the report of a comparison, with its data and pictures, into a folder.

    All files are made first and moved into place at the end, so that a full disk leaves the old
    report. `command` is the command that repeats the comparison. `owner` is the manifest of a
    check; with it, the folder must not be a symbolic link. A located fault in the folder belongs to
    the old report and is removed. Without matplotlib the pictures are left out, old ones are
    removed, and `report.md` says so.

    Raises:
        HarnessError: the report cannot be written there.
    """
    from harness.report import figures  # noqa: PLC0415
    from harness.report.comparison import html, json, markdown, plot  # noqa: PLC0415  (jinja2 takes a while)

    no_picture = figures.missing()

    def make(new: Path) -> None:
        write_text(new / PAGE, html.render(comparison, command=command))
        if not no_picture:
            plot.save(comparison, new)
        text = markdown.render(comparison, picture=PICTURE, no_picture=no_picture)
        write_text(new / "report.md", text)
        if owner is not None:
            write_text(new / OWNER, owner)
        write_text(new / DATA, json.render(comparison))

    def write(path: Path) -> None:
        if owner is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            real_folder(path)
        fill_folder(path, make, last=DATA)
        for name in (LOCATED, LOCATED_PAGE, *(PICTURES if no_picture else ())):
            (path / name).unlink(missing_ok=True)

    guarded(folder, write)


def save_located(located: Located, folder: Path) -> None:
    """Writes a located fault into a folder, as a page and as JSON.

    If the report of a comparison is in the folder, its page gets a link to the new page.

    Raises:
        HarnessError: the report cannot be written there.
    """
    from harness.report.locate import html, json, link  # noqa: PLC0415  (jinja2 takes a while)

    page = _text_of(folder / PAGE)
    linked = link.linked(page, LOCATED_PAGE) if page is not None and link.MARK in page else None

    def make(new: Path) -> None:
        write_text(new / LOCATED, json.render(located))
        write_text(new / LOCATED_PAGE, html.render(located, report=PAGE if linked else ""))
        if linked is not None and linked != page:
            write_text(new / PAGE, linked)

    def write(path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        fill_folder(path, make, last=PAGE)

    guarded(folder, write)


def _text_of(path: Path) -> str | None:
    """Returns the text of a report's page; None if there is none, or none of ours."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_PAGE:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def remove_report(folder: Path) -> None:
    """Removes the files of a report, and the folder if nothing else is in it.

    Raises:
        HarnessError: a file cannot be removed, or the folder is a symbolic link.
    """

    def remove(path: Path) -> None:
        if path.is_symlink():
            real_folder(path)
        if not path.is_dir():
            return
        for file in path.iterdir():
            if file.name in REPORT_FILES and (file.is_symlink() or not file.is_dir()):
                file.unlink()
            elif file.name.startswith(UNFINISHED) and not file.is_symlink():
                shutil.rmtree(file, ignore_errors=True)  # left by a check that was killed
        if not any(path.iterdir()):
            path.rmdir()

    guarded(folder, remove)


def lack_pictures(reports: Iterable[Path]) -> bool:
    """Returns whether a report in one of these folders was written without a picture."""
    return any((r / DATA).is_file() and not (r / PICTURE).is_file() for r in reports)


def data_hash(folder: Path) -> str:
    """Returns the SHA-256 of the data of a report; empty if the folder has no report."""
    try:
        return hashlib.sha256((folder / DATA).read_bytes()).hexdigest()
    except OSError:
        return ""


def reports_of(owner: str, folder: Path) -> list[Path]:
    """Returns the sub-folders of a report folder that checks of the manifest `owner` wrote."""
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
        return [path for path in inner if _owner(path) == owner]
    except OSError:
        return []


def _owner(folder: Path) -> str | None:
    mark = folder / OWNER
    try:
        if mark.is_symlink() or not mark.is_file():
            return None
        with mark.open("rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return None
