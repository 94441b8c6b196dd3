"""Fields behind the head of a line: `name: 1` until the next name, or between bars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from harness.parse.number import number

MAX_BARS = 100
"""Fields between bars that are read; more are another program's."""

_NAME = r"(?<![\w./-])(?P<name>[A-Za-z_][\w./-]{0,120}):"
_BLANKS = re.compile(rf"{_NAME}(?: (?P<value>\S*)|(?=\s))")
_COMMAS = re.compile(rf"{_NAME}(?: (?P<value>[^,\s]*)|(?=[,\s]))")
_STAMP = re.compile(r"\s{0,8}\[[\d :.-]{8,40}\]\s{0,8}")
"""A time behind the last bar, which stands before the next head of the line."""


class Field(NamedTuple):
    """A field as a line states it.

    `value` is its number. Where there is none, `fault` is the reason, `shown` the word that
    replaces the number (None where the field was damaged), and `text` the text that a remark
    quotes. `last` says that the text behind the field may be another line's.
    """

    name: str
    value: float | None
    shown: str | None = None
    text: str = ""
    fault: str = ""
    last: bool = False


def by_blanks(text: str) -> Iterator[Field]:
    """Yields the fields `name: value`, parted by blanks; the last one ends before a blank.

    >>> [(f.name, f.value, f.fault) for f in by_blanks("lr: 0.1  loss: 2.5")]
    [('lr', 0.1, ''), ('loss', None, 'the line was cut inside loss')]
    """
    return _named(text, _BLANKS)


def by_commas(text: str) -> Iterator[Field]:
    """Yields the fields `name: value`, parted by commas and blanks.

    >>> [(f.name, f.value) for f in by_commas("lr: 0.1, loss: 2.5, ")]
    [('lr', 0.1), ('loss', 2.5)]
    """
    return _named(text, _COMMAS)


def between_bars(text: str) -> Iterator[Field]:
    """Yields the fields `name: value`, each of which a bar ends.

    >>> [(f.name, f.value, f.fault) for f in between_bars(" lm loss: 2.5 | norm: 1.")]
    [('lm loss', 2.5, ''), ('', None, 'a field without its closing bar: the line was cut')]
    """
    *fields, rest = text.split("|")
    for field in fields[:MAX_BARS]:
        name, colon, shown = field.partition(":")
        name, shown = name.strip(), shown.strip()
        named = colon and name[:1].isalpha()
        value = number(shown) if named else None
        if value is None:
            fault = "expected 'name: number' between bars"
            yield Field(name, None, shown if named else None, field, fault)
        else:
            yield Field(name, value)
    if not rest.isspace() and rest and not _STAMP.fullmatch(rest):
        yield Field("", None, None, text, "a field without its closing bar: the line was cut")


def _named(text: str, pattern: re.Pattern[str]) -> Iterator[Field]:
    """The fields of a pattern. A number is whole if the next field or the line's end follows."""
    found = list(pattern.finditer(text))
    ends = [*(field.start() for field in found[1:]), len(text)]
    for field, end in zip(found, ends, strict=False):
        name, shown = field["name"], field["value"] or ""
        value = number(shown)
        behind = text[field.end() : end].strip(" \t\r\n,")
        if field.end() == len(text):
            yield Field(name, None, None, text, f"the line was cut inside {name}")
        elif value is None:
            fault = f"{name} {shown!r:.80} is not a number"
            yield Field(name, None, None if behind else shown, text, fault)
        elif behind:
            fault = f"{behind!r:.80} stands behind {name}"
            yield Field(name, None, None, text, fault, last=True)
        else:
            yield Field(name, value)
