"""TCAPPDLL records, one per step and rank, several on a line where processes share a pipe.

TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  train.loss : 3.93  \
train.ips : 12.9 imgs/s train.total_time : 0.154
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import nan

from harness.parse.collect import MAX_NAME, Collector
from harness.parse.number import NUMBER, count, number
from harness.parse.tokens import instead

MARK = "TCAPPDLL"
TRAIN = "train."
MAX_FIELDS = 256
_HEAD = re.compile(
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

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes every record on the line; the rest of a record that was torn apart is reported."""
        word, self._word = self._word, None
        if MARK not in line:
            if word is not None and number == word[0] + 1 and _STARTS.match(line):
                into.retract(word[1], rank=word[2])
                self._last = None
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

    def _record(self, number_: int, part: str, into: Collector, *, whole: bool, last: bool) -> None:
        head = _HEAD.match(part)
        iteration = None if head is None else count(head["iteration"])
        epoch = None if head is None else number(head["epoch"])
        if head is None or iteration is None or epoch is None or not epoch >= 0:
            into.skip(number_, MARK + part, "no 'Epoch: e Iteration: i  rank : r' after the mark")
            return
        rank = max(0, count(head["rank"]) or 0)  # a single process calls itself -1
        fields = fields_of(part, head.end(), whole=whole)
        taken = None
        for field, value, reason in fields:
            if reason and not whole and field.end("value") == len(part):
                where = "the log ends" if last else "another record begins"
                reason = f"{where} inside {field['name']}"  # noqa: PLW2901
            if reason:
                into.skip(number_, MARK + part, reason)
                continue
            taken = field
            if number(field["value"]) is None:
                into.odd(series_name(field["name"]), field["value"], value, MARK + part)
            into.record(
                series_name(field["name"]),
                rank=rank,
                iteration=iteration,
                epoch=epoch,
                value=value,
                unit=field["unit"] or "",
            )
        if taken is not None:
            into.claim(self.name)
            if last and _MAY_GO_ON.fullmatch(part, taken.end("value")):
                self._last = (number_, series_name(taken["name"]), rank)
                self._word = self._last if number(taken["value"]) is None else None
        elif whole and not fields:
            into.skip(number_, MARK + part, "a record without a 'name : value' field")


Field = tuple[re.Match[str], float, str]
"""A field, its number, and the reason why it is not taken, empty where it is."""


def fields_of(text: str, start: int, *, whole: bool) -> list[Field]:
    """The fields of a record up to the first that is not taken.

    Behind what does not belong in a record nothing is taken: it may be another record's.
    """
    fields = list(_FIELD.finditer(text, start))
    found: list[Field] = []
    seen: set[str] = set()
    reason = ""
    behind = text[start : fields[0].start()] if fields else ""
    if behind and not behind.isspace():
        reason = f"{behind.strip()!r:.80} stands before its fields"
    for i, field in enumerate(fields):
        name = field["name"]
        if len(seen) == MAX_FIELDS:
            reason = f"more than {MAX_FIELDS} fields"
        elif _is_of_another(name, seen):
            reason = f"{name} is not its own: another record goes on here"
        seen.add(name)
        value = number(field["value"])
        behind = text[field.end() : fields[i + 1].start() if i + 1 < len(fields) else len(text)]
        if value is None and (not behind or behind.isspace() or _UNIT.fullmatch(behind)):
            value = instead(field["value"])
        if reason:
            pass
        elif value is None:
            reason = f"{name} {field['value']!r:.80} is not a number"
        elif not whole and field.end("value") == len(text):
            reason = f"it ends inside {name}"
        elif _REST.match(behind):
            reason = f"{name} is followed by more of a number"
        found.append((field, nan if value is None else value, reason))
        if reason:
            break
        if behind and not behind.isspace() and not _UNIT.fullmatch(behind):
            reason = f"{behind.strip()!r:.80} stands behind {name}"
    return found


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What lines that differ in their numbers only have in common.

    `words` stand before the date, the time, the epoch, the iteration, the rank and each value, and
    behind the last one. `fields` are (series, unit) of the values.
    """

    words: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]


WHEN = (1, 2)
"""The words of a line that are its date and time, which differ and are not read."""


def shape_of(line: str) -> Shape | None:
    """The shape of a line that is one whole record and nothing else; None for any other line."""
    head = _HEAD.match(line, len(MARK))
    body = line.rstrip("\r\n")
    if not line.startswith(MARK + " ") or head is None or line.count(MARK) > 1 or body == line:
        return None
    words = body.split(" ")

    def column(at: int) -> int:
        return body.count(" ", 0, at)

    found = fields_of(body, head.end(), whole=True)
    matches = [field for field, _, _ in found]
    fields = tuple((series_name(f["name"]), f["unit"] or "") for f in matches)
    spans = [head.span(part) for part in ("epoch", "iteration", "rank")]
    spans += [f.span("value") for f in matches]
    places = [column(start) for start, _ in spans]
    if (
        not fields
        or any(reason for *_, reason in found)
        or any(number(f["value"]) is None for f in matches)
        or any(words[at] != body[slice(*span)] for at, span in zip(places, spans, strict=True))
        or len({name for name, _ in fields}) < len(fields)
        or any(not 0 < len(name) <= MAX_NAME for name, _ in fields)
        or not body.isprintable()
    ):
        return None
    for at in (*WHEN, *places):
        words[at] = "\0"  # no text of a log holds one
    return Shape(words=tuple(" ".join(words).split("\0")), fields=fields)
