"""Writes what was located: a table on the screen, JSON, and a page."""

from __future__ import annotations

from pathlib import Path

from harness.locate.result import Located


def write(located: Located, report: str | Path | None, *, quiet: bool) -> None:
    """Prints the table unless `quiet`, and writes the files into the folder of the report."""
    if not quiet:
        print(located.headline)
        for row in located.culprits[:10]:
            print(row)
        for note in (*located.notes, *located.unmatched):
            print(note)
