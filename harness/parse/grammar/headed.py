"""Reads lines with heads, each with a position and named figures, as a `Layout` describes them."""

from __future__ import annotations

from typing import ClassVar

from harness.parse.averaged import Averaged
from harness.parse.collect import Collector
from harness.parse.damage import word
from harness.parse.grammar.fields import Field
from harness.parse.grammar.layout import Head, Layout, head_of
from harness.parse.line import Fields, Line, Place, records_of
from harness.parse.names import is_loss
from harness.parse.number import count

TIMES = frozenset({"time", "data_time"})
"""Fields of a result that say how long it took."""


class Headed:
    """The reader of a format whose lines have heads; a format gives it a name and a layout.

    Behind a field that is damaged nothing is read, if that may be another line's. A word, or
    nothing, in the place of a number is NaN where the series is known or a loss.
    """

    name: str
    example: str
    fallback = False
    long_lines = False
    layout: ClassVar[Layout]

    def __init__(self) -> None:
        self._averaged = Averaged()
        self._reached = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line with heads, or one that states how many steps are finished."""
        text = line.text
        if self.layout.needle not in text:
            return False
        heads = list(self.layout.head.finditer(text))
        if not heads:
            return self._without_head(line, into)
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for match, end in zip(heads, ends, strict=True):
            head = head_of(match, self.layout.first)
            self._part(head, text[match.start() : end], match.end() - match.start(), into)
        return True

    def close(self, into: Collector) -> None:
        """Hands over a line that stayed alone."""
        self._averaged.close(into)

    def _without_head(self, line: Line, into: Collector) -> bool:
        """Takes what a line without a head states."""
        layout, text = self.layout, line.text
        if layout.finished is not None and (finished := layout.finished.search(text)):
            self._reached = max(0, (count(finished["done"]) or 0) - layout.first)
            return True
        for name, pattern in layout.stated:
            if stated := pattern.search(text):
                into.fact(name, int(stated[1]), line=line.number)
        return False

    def _part(self, head: Head, text: str, behind: int, into: Collector) -> None:
        """Takes a head and its fields, which begin at `behind` of the text."""
        layout, training = self.layout, head.phase == "train"
        values, faults = self._values(head, text[behind:], into)
        enough = any(layout.needs in name for name, _ in values)
        reason = "" if enough else layout.without if training else layout.without_result
        if head.placed and head.step is None:
            into.skip(into.line, text, "counters that are no whole numbers of a sane size")
        elif reason and not (training and faults):
            into.skip(into.line, text, reason)
        for fault in faults:
            into.skip(into.line, fault.text, fault.fault)
        if reason or (head.placed and head.step is None):
            return
        into.claim(self.name)
        if training:
            self._train(head, values, into)
        else:
            self._result(head, values, into)

    def _train(self, head: Head, values: Fields, into: Collector) -> None:
        layout, step = self.layout, head.step or 0
        if head.planned is not None:
            into.fact("planned_steps", head.planned, line=into.line)
        self._reached = step
        for record in records_of(values):
            if layout.means == "config":
                into.record(Place(step, window=into.window), record, instant=layout.instant)
            else:
                self._averaged.add(
                    step, record, into, done=head.done, epoch=head.epoch, instant=layout.instant
                )

    def _result(self, head: Head, values: Fields, into: Collector) -> None:
        """Takes the results of an evaluation, at their step or the last one of training."""
        if head.step is None:
            place = Place(self._reached, after_last=True)
        else:
            place = Place(head.step)
        for record in records_of(values):
            into.record(place, record)

    def _values(self, head: Head, text: str, into: Collector) -> tuple[Fields, list[Field]]:
        """The names and numbers of series behind a head, and the fields without a number."""
        layout, result = self.layout, head.phase != "train"
        values: Fields = []
        faults: list[Field] = []
        for field in layout.fields(text):
            name, value = field.name, field.value
            if layout.left_out.fullmatch(name) or (result and name in TIMES):
                continue
            series = self._series(name, head.phase)
            if value is None and field.shown is not None and _belongs(name, series, into):
                value = word(name, field.shown, field.text, into)
            if value is None:
                faults.append(field)
                if field.last:
                    break
            elif name not in layout.facts:
                values.append((series, value))
            elif value.is_integer():
                into.fact(layout.facts[name], int(value), line=into.line)
        return values, faults

    def _series(self, name: str, phase: str) -> str:
        """The series of a field."""
        if phase == "train":
            return self.layout.renamed.get(name, name)
        name = name.removesuffix(self.layout.ending)
        return f"{phase}.{self.layout.renamed.get(name, name)}"


def _belongs(name: str, series: str, into: Collector) -> bool:
    """Whether what replaces a number is the value of a series."""
    return is_loss(name) or into.knows(series)
