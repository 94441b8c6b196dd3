"""What lines that differ in their numbers only have in common, and what each number is.

A template is the text between the numbers of a line that a format took, with the part that each
number plays. `learning` finds the parts out by asking the format itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

MAX_LINE = 4000
"""Bytes of a line that can be a template."""
MAX_NUMBERS = 100

INTEGER = r"(?:0|[1-9][0-9]{0,11})"
_DIGITS = r"(?:0|[1-9][0-9]*)"
_TOKEN = re.compile(
    r"(?:(?<![\w.@])|(?<=[\[ ]rank)|(?<=\[default))(?P<sign>(?<![^\s:=(\['\",|])[-])?"
    r"[0-9]+(?P<more>\.[0-9]+)?(?P<e>[eE][+-]?[0-9]+)?"
)
_CLOCK_BEFORE = re.compile(r"[0-9A-Za-z][-:/.]\Z")
_CLOCK_BEHIND = re.compile(r"[-:/.][0-9]")
_GROUP_BEFORE = re.compile(r"[0-9],\Z")
_GROUP_BEHIND = re.compile(r",[0-9]")


class Part(IntEnum):
    """What a number of a line is.

    `CONSTANT` is a number whose role is not understood, or that changes what the format does with
    later lines: a template serves lines between which it is the same.
    """

    IGNORED = 0
    CONSTANT = 1
    VALUE = 2
    ITERATION = 3
    RANK = 4
    EPOCH = 5
    NOTED_EPOCH = 6


class Form(IntEnum):
    """How a number is spelled: so many digits exactly, a whole number, or a decimal."""

    DIGITS = 0
    INTEGER = 1
    PADDED_BY_ZEROS = 2
    DECIMAL = 3


class Token(NamedTuple):
    """A number of a line: its first and last character, its form, and the blanks before it.

    `in_clock` says that it may be a part of a time or a date, `grouped` that a comma parts it from
    another number: it may be a part of `1,000`. `of` says that it follows a slash.
    """

    start: int
    end: int
    form: Form
    blanks: int
    in_clock: bool
    grouped: bool
    of: bool

    @property
    def width(self) -> int:
        """Characters of the number and the blanks before it."""
        return self.blanks + self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A number of a template.

    It has `blanks` before it. If `width` is not 0, that many characters in all are another way to
    pad it, with `least` blanks or more. `signed` and `scientific` say which spellings of a decimal
    the format takes. `series` is that of a value.
    """

    part: Part
    form: Form
    blanks: int
    digits: int
    width: int = 0
    least: int = 0
    signed: bool = False
    scientific: bool = False
    series: str = ""

    @property
    def kept(self) -> bool:
        """Whether the number is needed."""
        return self.part is not Part.IGNORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`words` are the text before each number and behind the last one; `reader` is the format."""

    reader: str
    words: tuple[str, ...]
    slots: tuple[Slot, ...]

    @property
    def kept(self) -> tuple[Slot, ...]:
        """The numbers that are needed, a column each."""
        return tuple(slot for slot in self.slots if slot.kept)

    def columns(self, part: Part) -> list[int]:
        """Returns the columns of the numbers with this part."""
        return [i for i, slot in enumerate(self.kept) if slot.part is part]

    def pattern(self) -> bytes:
        """Returns a regular expression for such lines, with a group for each number needed."""
        parts = []
        for word, slot in zip(self.words, self.slots, strict=False):
            parts.append(re.escape(word))
            parts.append(_slot_pattern(slot))
        return ("".join(parts) + re.escape(self.words[-1]) + r"\r?\n").encode("ascii")


def _slot_pattern(slot: Slot) -> str:
    number = INTEGER
    if slot.form is Form.DIGITS:
        number = f"[0-9]{{{slot.digits}}}"
    elif slot.form is Form.PADDED_BY_ZEROS:
        number = "[0-9]{1,12}"
    elif slot.form is Form.DECIMAL:
        exponent = r"[eE][+-]?[0-9]+"
        more = rf"(?:\.[0-9]+(?:{exponent})?|{exponent})" if slot.scientific else r"\.[0-9]+"
        number = ("-?" if slot.signed else "") + _DIGITS + more
    exact = f" {{{slot.blanks}}}{number}"
    if slot.width:
        blanks = f" {{{slot.least},}}"
        exact += rf"|(?=[ 0-9.eE+-]{{{slot.width}}}(?![0-9.])){blanks}{number}"
    return f"({exact})" if slot.kept else f"(?:{exact})"


def tokens_of(line: str) -> list[Token]:
    """Returns the numbers of a line.

    >>> line = "10:05 step [ 20/40] loss: -0.5 acc1 3"
    >>> [(line[t.start:t.end], t.blanks) for t in tokens_of(line)]
    [('10', 0), ('05', 0), ('20', 1), ('40', 0), ('-0.5', 1), ('3', 1)]
    """
    found = []
    for match in _TOKEN.finditer(line):
        start, end = match.span()
        before = len(line[:start].rstrip(" "))
        near = line[max(0, start - 2) : start]
        in_clock = bool(_CLOCK_BEFORE.search(near) or _CLOCK_BEHIND.match(line, end))
        grouped = bool(_GROUP_BEFORE.search(near) or _GROUP_BEHIND.match(line, end))
        of = line[:before].endswith(("/", "of"))
        found.append(Token(start, end, _form(match), start - before, in_clock, grouped, of))
    return found


def _form(match: re.Match[str]) -> Form:
    text = match[0].lstrip("-")
    if match["more"] or match["e"]:
        return Form.DECIMAL
    return Form.PADDED_BY_ZEROS if text[0] == "0" and len(text) > 1 else Form.INTEGER
