"""TCAPPDLL records, one per step and rank, several on a line where processes share a pipe.

TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  train.loss : 3.93  \
train.ips : 12.9 imgs/s train.total_time : 0.154
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.parse.collect import Collector
from harness.parse.number import NUMBER, count, number

MARK = "TCAPPDLL"
_HEAD = re.compile(
    rf"\s*\S+ \S+ - Epoch: (?P<epoch>{NUMBER}) Iteration: (?P<iteration>\d+)"
    r"\s+rank ?: ?(?P<rank>-?\d+)\s+",
    re.ASCII,
)
_FIELD = re.compile(r"(?P<name>[A-Za-z_][\w.]*) : (?P<value>\S+)(?: (?P<unit>[a-z]+/s)\b)?")
_TAIL = re.compile(rf"[\d.eE+-]*(?: [a-z]+/s)?\s+train\.\w+ : |{NUMBER}\s*$", re.ASCII)
"""The rest of a record that another one was written into: a number's end, then more fields."""


class Tcappdll:
    """Reads the plain spelling of the records; each field of each rank becomes a series."""

    name = "tcappdll"
    example = (
        "TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  "
        "train.loss : 3.9321765899658203  train.ips : 12.938 imgs/s train.total_time : 0.1545"
    )
    fallback = False
    long_lines = True

    def __init__(self) -> None:
        self._last: tuple[int, str, int] | None = None

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes every record on the line; the rest of a record that was torn apart is reported."""
        if MARK not in line:
            return self._tail(number, line, into)
        _, *parts = line.split(MARK)
        if line.lstrip().startswith("#"):  # the format, explained in a comment
            return False
        self._last = None
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            whole = line.endswith("\n") if last else part[-1:].isspace()
            self._record(number, part, into, whole=whole, last=last)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _tail(self, number: int, line: str, into: Collector) -> bool:
        last, self._last = self._last, None
        if last is None or last[0] != number - 1 or not _TAIL.match(line):
            return False
        _, name, rank = last
        if not line.strip()[:1].isalpha():  # the number before it goes on here
            into.retract(name, rank=rank)
        into.skip(number, line, "the rest of a record that another line was written into")
        return True

    def _record(self, number_: int, part: str, into: Collector, *, whole: bool, last: bool) -> None:
        head = _HEAD.match(part)
        iteration = None if head is None else count(head["iteration"])
        epoch = None if head is None else number(head["epoch"])
        if head is None or iteration is None or epoch is None or not epoch >= 0:
            into.skip(number_, MARK + part, "no 'Epoch: e Iteration: i  rank : r' after the mark")
            return
        rank = max(0, count(head["rank"]) or 0)  # a single process calls itself -1
        found = False
        for field in _FIELD.finditer(part, head.end()):
            if not whole and field.end("value") == len(part):
                where = "the log ends" if last else "another record begins"
                into.skip(number_, MARK + part, f"{where} inside {field['name']}")
                continue
            value = number(field["value"])
            if value is None:
                reason = f"{field['name']} {field['value']!r} is not a number"
                into.skip(number_, MARK + part, reason)
                continue
            found = True
            name = series_name(field["name"])
            self._last = (number_, name, rank) if last else None
            into.record(
                name,
                rank=rank,
                iteration=iteration,
                epoch=epoch,
                value=value,
                unit=field["unit"] or "",
            )
        if found:
            into.claim(self.name)
        elif whole:
            into.skip(number_, MARK + part, "a record without a 'name : value' field")


def series_name(field: str) -> str:
    """The series of a field: `train.` goes without saying."""
    return field.removeprefix("train.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where a record's parts stand when its line is cut at single blanks.

    `fields` are (series, unit, column of the name, column of the value). `words` are the columns in
    which every line of the shape has the same word, with that word.
    """

    columns: int
    epoch: int
    iteration: int
    rank: int
    fields: tuple[tuple[str, str, int, int], ...]
    words: tuple[tuple[int, str], ...]


WHEN = (1, 2)
"""Columns of the date and the time, which differ from line to line and are not read."""
RESERVED = frozenset({"epoch", "iteration", "rank"})


def shape_of(line: str) -> Shape | None:
    """The shape of a line that is one whole record and nothing else; None for any other line."""
    head = _HEAD.match(line, len(MARK))
    body = line.rstrip("\r\n")
    if not line.startswith(MARK + " ") or head is None or line.count(MARK) > 1 or body == line:
        return None
    if "\r" in body or "\t" in body:
        return None
    words = body.split(" ")

    def column(at: int) -> int:
        return body.count(" ", 0, at)

    fields = []
    for field in _FIELD.finditer(body, head.end()):
        name_at, value_at = column(field.start("name")), column(field.start("value"))
        if words[name_at] != field["name"] or number(words[value_at]) is None:
            return None
        fields.append((series_name(field["name"]), field["unit"] or "", name_at, value_at))
    places = {part: column(head.start(part)) for part in ("epoch", "iteration", "rank")}
    names = {name for name, *_ in fields}
    if any(words[at] != head[part] for part, at in places.items()) or not fields:
        return None
    if len(names) < len(fields) or names & RESERVED:
        return None
    free = {*WHEN, *places.values(), *(value_at for *_, value_at in fields)}
    return Shape(
        columns=len(words),
        **places,
        fields=tuple(fields),
        words=tuple((at, word) for at, word in enumerate(words) if at not in free),
    )
