"""Reads lines with heads, each with a position and named figures, as a `Layout` describes them."""

from __future__ import annotations

from typing import ClassVar

from harness.parse.averaged import Averaged
from harness.parse.collect import Collector
from harness.parse.damage import word
from harness.parse.grammar.layout import Head, Layout, head_of, series_of
from harness.parse.line import Fields, Line, Place, records_of
from harness.parse.names import is_loss
from harness.parse.number import count, number


class Headed:
    """The reader of a format whose lines have heads; a format gives it a name and a layout.

    Where other text follows a number, it may be another line's, and nothing behind it is read. A
    word instead of a number, or nothing, is NaN if the field is a loss or its series is known.
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
        values, faults = self._values(head.phase, text[behind:], into)
        lacks = self._lacks(head, values)
        if lacks and not (faults and head.phase == "train"):
            into.skip(into.line, text, lacks)
        for fault in faults:
            into.skip(into.line, text, fault)
        if not lacks:
            into.claim(self.name)
            take = self._train if head.phase == "train" else self._result
            take(head, values, into)

    def _lacks(self, head: Head, values: Fields) -> str:
        """Why a head with these values is no record; empty where it is one."""
        layout = self.layout
        if head.placed and head.step is None:
            return "counters that are no whole numbers of a sane size"
        if head.phase != "train":
            return "" if values else layout.without_result
        needs = layout.needs
        enough = any(needs in name for name, _ in values) if needs else values
        return "" if enough else layout.without

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
        at = (self._reached, True) if head.step is None else (head.step, False)
        place = Place(at[0], after_last=at[1])
        for record in records_of(values):
            into.record(place, record)

    def _values(self, phase: str, text: str, into: Collector) -> tuple[Fields, list[str]]:
        """The names and numbers of series behind a head, and what is wrong with other fields."""
        layout = self.layout
        values: Fields = []
        faults: list[str] = []
        for field in layout.fields.split(text):
            name, shown, behind = field
            series = series_of(layout, name, phase)
            if series is None:
                continue
            value, whole = number(shown), behind == "" and name != ""
            if value is None and whole and (is_loss(name) or into.knows(series)):
                value = word(name, shown, text, into)
            if value is None or not whole:
                faults.append(layout.fields.fault(field))
                if value is not None and behind:
                    break
            elif name not in layout.facts:
                values.append((series, value))
            elif value.is_integer():
                into.fact(layout.facts[name], int(value), line=into.line)
        return values, faults
