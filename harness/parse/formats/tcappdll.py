"""TCAPPDLL records, one per step and rank, several on a line where processes share a pipe.

TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  train.loss : 3.93  \
train.ips : 12.9 imgs/s train.total_time : 0.154
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import nan
from typing import NamedTuple

from harness.parse.collect import Collector
from harness.parse.line import Line, Place, records_of
from harness.parse.number import NUMBER, count, number
from harness.parse.tokens import instead

MARK = "TCAPPDLL"
TRAIN = "train."
MAX_FIELDS = 256
HEAD = re.compile(
    rf"\s*\S+ \S+ - Epoch: (?P<epoch>{NUMBER}) Iteration: (?P<iteration>\d+)"
    r"\s+rank ?: ?(?P<rank>-?\d+)\s+",
    re.ASCII,
)
_FIELD = re.compile(
    r"(?<![\w.])(?P<name>[A-Za-z_][\w.]*) : "
    r"(?P<value>(?!\s*[A-Za-z_][\w.]* : )\S+|(?=\s*[A-Za-z_][\w.]* : ))(?: (?P<unit>[a-z]+/s)\b)?"
)
_REST = re.compile(r"\s*[\d.]", re.ASCII)
_UNIT = re.compile(r"\s*(?:[^\s/%]*[/%][^\s]*|m?s|sec|[KMG]i?B)\s*", re.ASCII)
"""What may stand behind a field other than the unit that it has."""
_TAIL = re.compile(
    rf"(?:[\d.eE+-]*(?: [a-z]+/s)?\s+(?P<more>train\.\w+ : )|{NUMBER}\s*$)", re.ASCII
)
"""The rest of a record that another one was written into: a number's end, then more fields."""
_MAY_GO_ON = re.compile(r"[\r\n]*|\s+(?![a-z]+/s\b)\S.*", re.ASCII | re.DOTALL)
"""What stands behind the last number of a line if the number may have been torn there."""
_STARTS = re.compile(r"\s{0,8}[-+]?\.?\d", re.ASCII)
"""The number that another line pushed away from its name, with a word of that line behind it."""
FAR = 8
"""Lines after a record in which the rest of it is looked for; a number alone must come at once."""


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
        self._word: tuple[int, str, int] | None = None

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes every record on the line; the rest of a record that was torn apart is reported."""
        number, text = line.number, line.text
        word, self._word = self._word, None
        if MARK not in text:
            if word is not None and number == word[0] + 1 and _STARTS.match(text):
                into.retract(word[1], rank=word[2])
                self._last = None
            return self._tail(number, text, into)
        _, *parts = text.split(MARK)
        if text.lstrip().startswith("#"):  # the format, explained in a comment
            return False
        self._last = None
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            whole = line.whole if last else part[-1:].isspace()
            self._record(number, part, into, whole=whole, last=last)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _tail(self, number: int, line: str, into: Collector) -> bool:
        tail = _TAIL.match(line)
        if tail is None:
            return False
        last = self._last
        if last is not None and number - last[0] > (FAR if tail["more"] else 1):
            last = None
        if last is None and not tail["more"]:
            return False
        if last is not None and not line.strip()[:1].isalpha():  # its number goes on here
            into.retract(last[1], rank=last[2])
        self._last = None
        into.skip(number, line, "the rest of a record that another line was written into")
        return True

    def _record(self, line: int, part: str, into: Collector, *, whole: bool, last: bool) -> None:
        head = HEAD.match(part)
        place = None if head is None else _place(head)
        if head is None or place is None:
            into.skip(line, MARK + part, "no 'Epoch: e Iteration: i  rank : r' after the mark")
            return
        fields = fields_of(part, head.end(), whole=whole)
        taken = fields if not fields or not fields[-1].reason else fields[:-1]
        if fields and fields[-1].reason:
            self._skip(line, part, fields[-1], into, whole=whole, last=last)
        if taken:
            self._take(place, taken, part, into)
            if last and _MAY_GO_ON.fullmatch(part, taken[-1].at[1]):
                self._last = (line, series_name(taken[-1].name), place.rank)
                self._word = self._last if taken[-1].is_word else None
        elif whole and not fields:
            into.skip(line, MARK + part, "a record without a 'name : value' field")

    def _take(self, place: Place, taken: list[Field], part: str, into: Collector) -> None:
        values, units = [], {}
        for name, unit, spelled, _, value, is_word, _ in taken:
            series = series_name(name)
            values.append((series, value))
            if unit:
                units[series] = unit
            if is_word:
                into.odd(series, spelled, value, MARK + part)
        for record in records_of(values):
            into.record(place, record, units=units)
        into.claim(self.name)

    def _skip(
        self, line: int, part: str, field: Field, into: Collector, *, whole: bool, last: bool
    ) -> None:
        reason = field.reason
        if not whole and field.at[1] == len(part):
            where = "the log ends" if last else "another record begins"
            reason = f"{where} inside {field.name}"
        into.skip(line, MARK + part, reason)


def _place(head: re.Match[str]) -> Place | None:
    """The place that the head of a record states; None if a counter is damaged."""
    iteration, epoch = count(head["iteration"]), number(head["epoch"])
    if iteration is None or epoch is None or not epoch >= 0:
        return None
    rank = max(0, count(head["rank"]) or 0)  # a single process calls itself -1
    return Place(iteration, rank=rank, epoch=epoch)


class Field(NamedTuple):
    """A field of a record, and the reason why it is not taken, empty where it is.

    `spelled` is what stands for its number, from `at[0]` to `at[1]` of the text. `is_word` says
    that it is not a number; `value` is what it is read as.
    """

    name: str
    unit: str
    spelled: str
    at: tuple[int, int]
    value: float
    is_word: bool
    reason: str


def fields_of(text: str, start: int, *, whole: bool) -> list[Field]:
    """Returns the fields of a record up to the first that is not taken.

    Behind what does not belong in a record nothing is taken: it may be another record's.
    """
    matches = list(_FIELD.finditer(text, start))
    ends = [*[match.start() for match in matches[1:]], len(text)]
    own, other = _own(tuple([match["name"] for match in matches[: MAX_FIELDS + 1]]))
    fields: list[Field] = []
    before = text[start : matches[0].start()].strip() if matches else ""
    stray = f"{before!r:.80} stands before its fields" if before else ""
    for match, end in zip(matches, ends, strict=False):
        name, spelled, unit = match.group("name", "value", "unit")
        at = match.span("value")
        behind = text[match.end() : end]
        value = number(spelled)
        is_word = value is None
        if is_word and _belongs(behind):
            value = instead(spelled)
        reason = other if len(fields) == own else stray
        cut = not whole and at[1] == len(text)
        if not reason and (value is None or cut or not behind.isspace()):
            reason = _damage(match, value, behind, cut=cut)
        number_ = nan if value is None else value
        fields.append(Field(name, unit or "", spelled, at, number_, is_word, reason))
        if reason:
            break
        if not _belongs(behind):
            stray = f"{behind.strip()!r:.80} stands behind {name}"
    return fields


@lru_cache(maxsize=64)  # the lines of a log have a few sets of names: a tenth of the time
def _own(names: tuple[str, ...]) -> tuple[int, str]:
    """How many of these names are of one record, and why the next one is not."""
    seen: set[str] = set()
    for name in names[:MAX_FIELDS]:
        if _is_of_another(name, seen):
            return len(seen), f"{name} is not its own: another record goes on here"
        seen.add(name)
    return len(seen), f"more than {MAX_FIELDS} fields"


def _belongs(behind: str) -> bool:
    """Whether what stands behind a field is blank, or a unit."""
    return not behind or behind.isspace() or _UNIT.fullmatch(behind) is not None


def _damage(match: re.Match[str], value: float | None, behind: str, *, cut: bool) -> str:
    """What is wrong with the number of a field, empty if nothing is."""
    name = match["name"]
    if value is None:
        return f"{name} {match['value']!r:.80} is not a number"
    if cut:
        return f"it ends inside {name}"
    if _REST.match(behind):
        return f"{name} is followed by more of a number"
    return ""


def _is_of_another(name: str, seen: set[str]) -> bool:
    """Whether a name, or the end of it, was in the record before, or belongs to a head."""
    if name in seen or (len(name) <= 4 and "rank".endswith(name)):
        return True
    if name.startswith(TRAIN):
        return False
    return any(s.startswith(TRAIN) and s.endswith(name) for s in seen)


def series_name(field: str) -> str:
    """The series of a field: `train.` goes without saying."""
    return field.removeprefix(TRAIN)
