"""Writes what was located: a table on the screen, and a page and JSON into a folder."""

from __future__ import annotations

from pathlib import Path

from harness.locate.result import Located
from harness.ports.files import save_located
from harness.report.locate import text
from harness.report.screen import console


def write(located: Located, report: str | Path | None, *, quiet: bool) -> None:
    """Prints the table unless `quiet`, and writes the files into the folder of the report.

    Raises:
        HarnessError: the folder cannot be written.
    """
    if not quiet:
        text.write(located, console())
    if report is not None:
        save_located(located, Path(report))
