"""Writes what was decided: reports into folders, text into files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.comparison import Comparison


def save_report(comparison: Comparison, folder: Path, *, command: str) -> None:
    """Writes the report of a comparison, with its data and pictures, into a folder.

    `command` is the line that repeats the comparison.

    Raises:
        HarnessError: it cannot be written there.
    """
    from harness.report import html, json, markdown, plot  # noqa: PLC0415  (matplotlib takes a while)

    def write(path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "comparison.json").write_text(json.render(comparison), encoding="utf-8")
        page = html.render(comparison, command=command)
        (path / "report.html").write_text(page, encoding="utf-8")
        plot.save(comparison, path)
        page = markdown.render(comparison, picture="comparison.png")
        (path / "report.md").write_text(page, encoding="utf-8")

    guarded(folder, write)


def write_text(path: Path, text: str) -> None:
    """Writes text into a file.

    Raises:
        HarnessError: it cannot be written there.
    """
    guarded(path, lambda where: where.write_text(text, encoding="utf-8"))


def guarded(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write`, with a one-line error if the file system refuses."""
    try:
        write(path)
    except OSError as error:
        msg = f"cannot be written: {error.strerror or error}. Choose another place."
        raise HarnessError(msg, source=str(path)) from error
