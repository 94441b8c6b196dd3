"""The page on porting as a script: its steps, what they print, and a machine that follows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulated import plugged
from tiny_run import environment

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "port-a-device.md"
PART = re.compile(
    r"^(?P<level>#{2,3}) (?P<heading>[^\n]+)$"
    r"|^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"\d(?:[\d.,]*\d)?(?:e[-+]?\d+)?")
ROUNDING = "aten::convolution_overrideable:scale:1.0000001 aten::addmm:scale:1.0000001"
"""Another rounding than the CPU's. A device that repeats every bit of the GPU would be a copy."""
SECONDS = 600
"""The longest time that the commands of a block may take."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Code under a heading. What commands print is `shown`."""

    heading: str
    kind: str
    code: str
    shown: str = ""


@dataclass(frozen=True, kw_only=True)
class Book:
    """The page's settings, its files by name, and its blocks of commands and of code in order."""

    settings: str
    files: dict[str, str]
    blocks: list[Block]

    def under(self, start: str, kind: str = "sh") -> list[Block]:
        """Returns the blocks of a kind whose heading starts so; there must be some."""
        found = [b for b in self.blocks if b.heading.startswith(start) and b.kind == kind]
        assert found, start
        return found


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a block ended, and all that it printed."""

    status: int
    printed: str


def read_book(text: str) -> Book:
    """Returns what a page says to do."""
    heading, settings, files, blocks = "", "", {}, []
    for part in PART.finditer(text):
        if part["heading"]:
            heading = part["heading"]
            continue
        kind, title = re.fullmatch(r'(\w*)(?: title="([^"]+)")?', part["info"]).groups()
        if title == "settings":
            settings = part["body"]
        elif title:
            files[title] = part["body"]
        elif kind == "text":
            last = blocks.pop()
            assert (last.kind, last.shown) == ("sh", ""), f"an output without commands: {heading}"
            blocks.append(Block(heading=heading, kind="sh", code=last.code, shown=part["body"]))
        else:
            blocks.append(Block(heading=heading, kind=kind, code=part["body"]))
    return Book(settings=settings, files=files, blocks=blocks)


def set_to(settings: str, **values: str) -> str:
    """Returns the settings with other values, as the page asks the reader to fill in."""
    for name, value in values.items():
        settings, count = re.subn(rf"^{name}=\S+", f"{name}={value}", settings, flags=re.MULTILINE)
        assert count == 1, name
    return settings


BOOK = read_book(PAGE.read_text(encoding="utf-8"))
SETTINGS = set_to(BOOK.settings, GPU="cpu")


class Machine:
    """A folder with the page's files, in which its commands run on the simulated device."""

    def __init__(self, folder: Path, *faults: str) -> None:
        self.folder = folder
        controls = plugged(faults=" ".join([ROUNDING, *faults]))
        self.environ = environment(**controls, COLUMNS="120", PYTHONHASHSEED="0")
        self.environ["PATH"] = os.pathsep.join([str(_commands(folder)), os.environ["PATH"]])
        for name, text in BOOK.files.items():
            (folder / name).write_text(text, encoding="utf-8")

    def run(self, block: Block, *, on: bool = False) -> Ran:
        """Returns how a block ended. The page must show what it printed, unless it failed.

        A block ends with its first command that fails. If it is to go `on`, failures are expected.
        """
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-uc" if on else "-euc", SETTINGS + block.code],
            cwd=self.folder, env=self.environ, text=True, check=False, timeout=SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if (on or not done.returncode) and block.shown:
            assert fits(block.shown, done.stdout), (
                f"{block.code}\n{done.stdout[-6000:]}\nbut the page shows\n{block.shown}"
            )
        return Ran(status=done.returncode, printed=done.stdout)

    def follow(self, headings: Sequence[str]) -> tuple[str, Ran] | None:
        """Runs what is under the headings; returns the one that said no, with its output."""
        for heading in headings:
            for block in BOOK.under(heading):
                ran = self.run(block)
                if ran.status:
                    return heading, ran
        return None


def _commands(folder: Path) -> Path:
    """Makes a folder with the commands that an installation has: `python` and `harness`."""
    place = folder / "bin"
    place.mkdir()
    for name, words in (("python", ""), ("harness", " -m harness")):
        (place / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (place / name).chmod(0o755)
    return place


def fits(shown: str, printed: str) -> bool:
    """Returns whether the page shows what was printed.

    `...` stands for anything, and a number for any number: they vary by machine. Blanks, ends of
    lines and the frames of tables do not count.
    """
    pattern = re.escape(_bare(shown)).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, _bare(printed), re.DOTALL) is not None


def _bare(text: str) -> str:
    return "".join(re.sub(r"[│─╭╮╰╯]", "", NUMBER.sub("0", text)).split())
