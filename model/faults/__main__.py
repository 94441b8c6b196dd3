"""Prints the catalogue of faults: `python -m model.faults [--page FILE]`.

`--page` writes the catalogue as a table into a page of the documentation, between its marks.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from model.command import ended
from model.errors import ConfigError
from model.faults.catalogue import FAULTS, default_call
from model.faults.fault import Fault

HEAD = "| Fault, with its default severity | Level | What is wrong | In a real port |"
START, END = "<!-- from: python -m model.faults -->", "<!-- end -->"


def entry(fault: Fault) -> str:
    """Returns three lines on a fault: how `--fault` names it, what it does, and its cause."""
    level = fault.level if fault.ranks == 1 else f"{fault.level}, from {fault.ranks} ranks on"
    severity = "" if fault.severity is None else f" Severity: {fault.severity}."
    first = f"{default_call(fault)}  ({level})"
    return f"{first}\n    {fault.summary}.{severity}\n    In a port: {fault.origin}.\n"


def table() -> str:
    """Returns the catalogue as a Markdown table, and the faults that need several processes."""
    rows = [
        f"| `{default_call(f)}` | {f.level} | {f.summary} | {f.origin} |" for f in FAULTS.values()
    ]
    several = ", ".join(f"`{f.name}`" for f in FAULTS.values() if f.ranks > 1)
    return "\n".join(
        [HEAD, "|---|---|---|---|", *rows, "", f"Faults that need two processes: {several}."]
    )


def filled_in(page: str) -> str:
    """Returns the text of a page with the table between its marks.

    Raises:
        ConfigError: the page does not have the marks once.
    """
    block = f"{START}\n{table()}\n{END}"
    marks = f"{re.escape(START)}.*?{re.escape(END)}"
    filled, count = re.subn(marks, lambda _: block, page, flags=re.DOTALL)
    if count != 1:
        raise ConfigError(f"the page has {count} blocks from {START} to {END}; expected 1")
    return filled


def main(argv: Sequence[str] | None = None) -> int:
    """Prints an entry for each fault, or fills in a page; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m model.faults", description=__doc__)
    parser.add_argument("--page", type=Path, help="Markdown page to fill in")
    page: Path | None = parser.parse_args(argv).page
    if page is not None:
        page.write_text(filled_in(page.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    for fault in FAULTS.values():
        print(entry(fault))
    return 0


if __name__ == "__main__":
    sys.exit(ended(main))
