"""Lines of a log that no format reads, and a pattern made from them that reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.parse.grammar.figures import Figure
from harness.parse.grammar.line import parsed
from harness.parse.grammar.phases import EVALUATED
from harness.parse.starter import NUMBER_IN_LINE, Sample, starter

MAX_LINES = 5000
"""Lines that are looked at."""
MAX_SHAPES = 300
"""Kinds of lines that are kept."""
MAX_SAMPLES = 200
"""Lines of a kind that are kept."""
LONGEST = 600
"""Characters of a line that may be a record."""
SHOWN = 3
"""Lines that are quoted."""
QUOTED = 80
"""Characters of a line that are quoted."""

_CLOCK = re.compile(
    r"(?<=\|)[^|\n]{1,200}(?=\|\s{0,8}\d{1,9}/\d{1,9}\s)|\d{4}[-/.]\d\d[-/.]\d\d|\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?|\b(?=\w{0,40}\d)[0-9a-f]{7,40}\b",
    re.ASCII,
)
"""Bars, dates, times and hashes."""
_BLANKS = re.compile(r"\s+")


class Near(NamedTuple):
    """A line that nearly fits: its number, its text, and what it lacks."""

    line: int
    text: str
    lacks: str


class Nearly:
    """Keeps lines with numbers by their shape: their text without the numbers.

    Lines of one shape are those of one statement of a program.
    """

    def __init__(self) -> None:
        self._shapes: dict[str, list[Sample]] = {}
        self._seen = 0

    def add(self, number: int, text: str) -> None:
        """Takes a line that gave no record."""
        if self._seen >= MAX_LINES or len(text) > LONGEST or not text.endswith("\n"):
            return
        self._seen += 1
        text = text.rstrip()
        masked = _CLOCK.sub(lambda m: "@" * len(m[0]), text)
        slots = tuple(NUMBER_IN_LINE.finditer(masked))
        if not slots:
            return
        shape = _BLANKS.sub(" ", NUMBER_IN_LINE.sub("#", masked)).strip()
        if shape in self._shapes or len(self._shapes) < MAX_SHAPES:
            samples = self._shapes.setdefault(shape, [])
            if len(samples) < MAX_SAMPLES:
                samples.append(Sample(number, text, masked, slots))

    def nearest(self) -> tuple[list[Near], str]:
        """Returns the lines that nearly fit, the nearest first, and a pattern that reads them.

        The pattern is empty where no shape has figures that change from line to line.
        """
        ordered = sorted(self._shapes.values(), key=_nearness, reverse=True)
        ordered = [samples for samples in ordered if _nearness(samples)[0]]
        pattern = ""
        kept = [sample for samples in self._shapes.values() for sample in samples]
        for samples in ordered[:10]:
            pattern = starter(samples, kept)
            if pattern:
                ordered.remove(samples)
                ordered.insert(0, samples)
                break
        first = [samples[0] for samples in ordered[:SHOWN]]
        more = [sample for samples in ordered[:1] for sample in samples[1:]]
        lines = [*first, *more][:SHOWN]
        return [Near(s.line, _quoted(s.text), _lacks(s.text)) for s in lines], pattern


def _nearness(samples: list[Sample]) -> tuple[int, int, int]:
    """How near lines of a shape are: a loss and a step; how many there are; how early they are."""
    said = parsed(samples[0].text)
    loss = any(f.is_loss for f in said.figures)
    placed = said.place.is_stated or said.place.epoch is not None
    changing = len({tuple(slot[0] for slot in sample.slots) for sample in samples}) > 1
    decimal = any("." in slot[0] for slot in samples[0].slots)
    points = 2 * loss + 2 * changing + decimal
    return points + placed if points else 0, len(samples), -samples[0].line


def _quoted(text: str) -> str:
    text = _BLANKS.sub(" ", text.strip())
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."


def _lacks(text: str) -> str:
    """What a line lacks to be a record."""
    said = parsed(text)
    losses: list[Figure] = [f for f in said.figures if f.is_loss]
    lacks = []
    if not losses:
        lacks.append("a number named loss")
    elif all(f.value is None for f in losses):
        lacks.append(f"a number behind {losses[0].name!r}")
    if not said.place.is_stated and said.place.epoch is None:
        lacks.append("a step")
    if not lacks and said.phase in EVALUATED:
        return "is of an evaluation"
    return f"lacks {' and '.join(lacks)}" if lacks else "is of no known form"
