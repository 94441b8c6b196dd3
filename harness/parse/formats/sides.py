"""Both sides of a comparison in one file: blocks of losses, each under the name of a device.

=== CUDA ===
4.500000 4.250000 4.125000

=== SDAA ===
4.562500 4.312500 4.187500
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from math import nan

from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.damage import number_or_word
from harness.parse.line import Line, Place
from harness.parse.number import count, number
from harness.parse.tokens import is_spelled

BASELINES = frozenset({"cuda", "gpu", "nvidia", "baseline", "reference"})
"""Headings of the baseline, in small letters."""
CANDIDATES = frozenset(
    {"sdaa", "teco", "npu", "ascend", "mlu", "xpu", "rocm", "dcu", "gcu", "musa", "port"}
    | {"candidate"}
)
"""Headings of the port."""
MAX_SIDES = 16

_HEAD = re.compile(
    r"(?P<before>[=\-#*\[<\s]{0,80})(?P<side>[A-Za-z]{2,12})(?P<loss>[ _](?:train(?:ing)?[ _])?"
    r"loss(?:es)?)?(?P<behind>[\]>:=\-#*\s]{0,80})",
    re.ASCII | re.IGNORECASE,
)
_SPLIT = re.compile(r"[\s,;]+")


class Sides:
    """Reads blocks of losses; the log states no step, so the losses are numbered in order.

    Two blocks are two runs, labelled by their headings. A block whose rows are a rising counter
    and a loss has its steps from there.
    """

    name = "blocks of losses"
    example = "=== CUDA ==="
    fallback = True
    long_lines = True

    def __init__(self) -> None:
        self._sides: dict[str, _Block] = {}
        self._block: _Block | None = None

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a heading, and the rows of numbers behind it."""
        side = _side(line.raw) if len(line.raw) < 200 else ""
        if side and (side in self._sides or len(self._sides) < MAX_SIDES):
            self._block = self._sides.setdefault(side, _Block())
            return True
        if self._block is None or line.raw.isspace():
            return False
        row = _numbers(line, into)
        if row is None:
            self._block = None
            return False
        into.claim(self.name)
        self._block.add(row)
        return True

    def close(self, into: Collector) -> None:
        """Hands every block over: to the log's own run if it is alone, else to a run each."""
        blocks = {side: block for side, block in self._sides.items() if block.values}
        others = any(key[0] not in into.fallbacks for key in into.tracks.by_key)
        if not blocks or others:
            return
        for side, block in blocks.items():
            to = into if len(blocks) == 1 else into.part(side)
            if to is not None:
                block.hand_over(to)


class _Block:
    """The losses of one side, and its counters if every row so far is a counter and a loss."""

    def __init__(self) -> None:
        self.values = array("d")
        self._steps: array[int] | None = array("q")

    def add(self, row: Sequence[tuple[str, float]]) -> None:
        """Takes one row: the text and the number of each figure."""
        self.values.extend(value for _, value in row)
        steps = self._steps
        step = count(row[0][0]) if len(row) == 2 else None
        if steps is None or step is None or (steps and step <= steps[-1]):
            self._steps = None
        else:
            steps.append(step)

    def hand_over(self, into: Collector) -> None:
        """Hands over each loss at its step, or at its place in the order."""
        if self._steps is not None:
            placed = list(zip(self._steps, self.values[1::2], strict=True))
        else:
            placed = list(enumerate(self.values))
            into.by_order("loss")
        for step, value in placed:
            into.record(Place(step), {"loss": value})


def _side(text: str) -> str:
    """The name of a device that is the heading of a block; empty for another line."""
    match = _HEAD.fullmatch(text.rstrip("\r\n"))
    if match is None or match["side"].lower() not in BASELINES | CANDIDATES:
        return ""
    marked = match["before"].strip() or match["behind"].strip() or match["loss"]
    return match["side"] if marked else ""


def _numbers(line: Line, into: Collector) -> list[tuple[str, float]] | None:
    """The numbers of a row; None for a line of text.

    What is no number in a row is NaN: left out, it would move the losses behind it.
    """
    words = [word for word in _SPLIT.split(line.text.strip("[]() \t\r\n")) if word]
    if not words or (number(words[0]) is None and not is_spelled(words[0])):
        return None
    row = [(word, number_or_word("loss", word, line.raw, into)) for word in words]
    if not line.whole:
        row.pop()
        into.skip(line.number, line.raw, "the log ends inside this line")
    for word, value in row:
        if value is None:
            into.skip(line.number, line.raw, f"loss {word!r:.40} is not a number")
    return [(word, nan if value is None else value) for word, value in row]


def both_sides(runs: Sequence[Run]) -> tuple[Run, Run] | None:
    """Returns the baseline and the candidate that one file holds; None if it does not hold both.

    The block under a name of the GPU is the baseline, and the first where both or none have such a
    name.
    """
    if len(runs) != 2 or any(Sides.name not in run.formats for run in runs):
        return None
    first, second = runs
    if _is_baseline(second) and not _is_baseline(first):
        return second, first
    return first, second


def _is_baseline(run: Run) -> bool:
    return run.source.rpartition("[run ")[2].rstrip("]").lower() in BASELINES
