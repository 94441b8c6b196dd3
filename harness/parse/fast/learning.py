"""Finds out what each number of a line is, by asking the format of the line about altered lines.

The formats are copied, so that nothing is added to the log. One number after the other is altered,
and what the format then hands over, and what it then remembers, show the part of the number.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from harness.parse.collect import Collector
from harness.parse.fast.observing import observed
from harness.parse.fast.states import TooLargeError
from harness.parse.fast.template import (
    MAX_LINE,
    MAX_NUMBERS,
    Form,
    Part,
    Slot,
    Template,
    Token,
    tokens_of,
)
from harness.parse.format import Format
from harness.parse.line import Place

LEARNED = frozenset(
    {"mmengine", "mmcv", "megatron", "hf-trainer", "json lines", "mmcv .log.json"}
    | {"scalars.json", "csv", "plain"}
)
"""Formats whose lines can be templates: what they remember is counters and the line before."""
_JSON = frozenset({"json lines", "mmcv .log.json", "scalars.json"})
_COMMAS = frozenset({"csv"})
"""Formats in which a comma never parts the digits of one number."""
_COUNTING = frozenset({"hf-trainer"})
"""Formats that count lines: the others need a counter on a line that is a template."""
MAX_KEPT = 1 << 18
"""Bytes that the formats may remember: each question copies them."""
_SINGLE = (Part.ITERATION, Part.RANK, Part.EPOCH, Part.NOTED_EPOCH)


def learn(readers: Sequence[Format], into: Collector, line: str) -> Template | None:
    """Returns the template of a line that a format took; None if there is none."""
    tokens = tokens_of(line)
    if len(line) > MAX_LINE or not 0 < len(tokens) <= MAX_NUMBERS or not line.isascii():
        return None
    if not line.replace("\t", " ").isprintable():
        return None
    try:
        return _Learning(readers, into, line).template(tokens)
    except TooLargeError:
        return None


class _Learning:
    """The questions about one line."""

    def __init__(self, readers: Sequence[Format], into: Collector, line: str) -> None:
        self._kept = pickle.dumps(list(readers))  # read again in a fifth of the time of a copy
        self._readers, self._into, self._line = readers, into, line
        self._base = observed(self._kept, into, line)

    def template(self, tokens: Sequence[Token]) -> Template | None:
        base = self._base
        if (
            len(self._kept) > MAX_KEPT
            or base.taker < 0
            or not all(map(isfinite, base.values.values()))
        ):
            return None
        reader = self._readers[base.taker].name
        if reader not in LEARNED:
            return None
        slots = self._slots(tokens)
        ends = [0, *(token.end for token in tokens)]
        starts = [*(token.start - token.blanks for token in tokens), len(self._line)]
        words = tuple(self._line[a:b] for a, b in zip(ends, starts, strict=True))
        template = Template(reader=reader, words=words, slots=slots)
        fits = re.fullmatch(template.pattern(), (self._line + "\n").encode("ascii"))
        counts = reader in _COUNTING or template.columns(Part.ITERATION)
        return template if fits and counts and template.columns(Part.VALUE) else None

    def _slots(self, tokens: Sequence[Token]) -> tuple[Slot, ...]:
        """What each number is. A second counter, and the end of a counter, must stay the same."""
        slots: list[Slot] = []
        for token in tokens:
            slot = self._slot(token)
            again = slot.part in _SINGLE and any(slot.part is other.part for other in slots)
            whole = slot.form is not Form.DECIMAL
            of = token.of and whole and slot.part is Part.IGNORED and slots and slots[-1].kept
            slots.append(replace(slot, part=Part.CONSTANT, width=0) if again or of else slot)
        return tuple(slots)

    def _slot(self, token: Token) -> Slot:
        was = self._line[token.start : token.end]
        part, series = self._part(token, was, _altered(was))
        form, digits = token.form, token.end - token.start
        reader = self._readers[self._base.taker].name
        whole = form is not Form.DECIMAL
        if token.grouped and whole and reader not in _COMMAS:
            part = Part.CONSTANT if reader in _JSON else part
            return Slot(part=part, form=Form.DIGITS, blanks=token.blanks, digits=digits)
        if part is Part.IGNORED and token.in_clock and whole:
            return Slot(part=part, form=Form.DIGITS, blanks=token.blanks, digits=digits)
        longer = ("7", "123456") if whole else ("0.5", "123456.75")
        free = part in (Part.VALUE, Part.EPOCH, Part.NOTED_EPOCH, Part.IGNORED)
        if free and not all(self._is(part, series, token, was, new) for new in longer):
            part, series = Part.CONSTANT, ""
        can = not whole and part is not Part.CONSTANT
        positive = part in (Part.EPOCH, Part.NOTED_EPOCH)
        least = self._padding(part, series, token, was)
        return Slot(
            part=part,
            form=form,
            blanks=token.blanks,
            digits=digits,
            width=0 if least is None else token.width,
            least=least or 0,
            signed=can and not positive and self._is(part, series, token, was, "-0.5"),
            scientific=can and self._is(part, series, token, was, "1.25e-05"),
            series=series,
        )

    def _padding(self, part: Part, series: str, token: Token, was: str) -> int | None:
        """The fewest blanks before a number that its width may leave; None if it is not padded."""
        bracketed = self._line[: token.start - token.blanks].endswith(("[", "(", "/"))
        if token.blanks < (1 if bracketed else 2) or part is Part.CONSTANT:
            return None
        _, point, behind = was.partition(".")
        width = token.width - len(point + behind)
        if width < 1 or "-" in was or "e" in was.lower():
            return None
        wide = token._replace(start=token.start - token.blanks)
        wholes = ("7", "1" * width, "1" * (width - 1))  # a first step, 1, may be read otherwise
        texts = [whole.rjust(width) + point + behind for whole in wholes]
        fit = [bool(text.strip()) and self._is(part, series, wide, was, text) for text in texts]
        return None if not fit[0] else 0 if fit[1] else 1 if fit[2] else None

    def _is(self, part: Part, series: str, token: Token, was: str, new: str) -> bool:
        """Whether a number plays the same part if it is this one."""
        return new == was or self._part(token, was, new) == (part, series)

    def _part(self, token: Token, was: str, new: str) -> tuple[Part, str]:
        """The part of a number, and the series of a value, as an altered number shows it."""
        base = self._base
        other = observed(
            self._kept, self._into, self._line[: token.start] + new + self._line[token.end :]
        )
        alike = other.taker == base.taker and [*other.values] == [*base.values]
        if not alike or (other.rest, other.instant) != (base.rest, base.instant):
            return Part.CONSTANT, ""
        changed = [name for name, value in base.values.items() if other.values[name] != value]
        places = [i for i, at in enumerate(base.place) if other.place[i] != at]
        noted = other.noted != base.noted
        if len(changed) + len(places) + noted != 1:
            same = not (changed or places or noted) and other.is_as_after(base)
            return (Part.IGNORED if same or was == new else Part.CONSTANT), ""
        if changed:
            series = changed[0]
            is_value = (base.values[series], other.values[series]) == (float(was), float(new))
            return (Part.VALUE, series) if is_value else (Part.CONSTANT, "")
        if noted:
            is_noted = (base.noted, other.noted) == (float(was), float(new))
            return (Part.NOTED_EPOCH if is_noted else Part.CONSTANT), ""
        return _place_part(places[0], base.place, other.place, was, new), ""


def _place_part(at: int, base: Place, other: Place, was: str, new: str) -> Part:
    """The part of a number that changes one entry of the place."""
    name = Place._fields[at]
    before, after = float(was), float(new)
    if name == "iteration" and other.iteration - base.iteration == after - before:
        return Part.ITERATION
    if name == "rank" and (base.rank, other.rank) == (before, after):
        return Part.RANK
    if name == "epoch" and (base.epoch, other.epoch) == (before, after):
        return Part.EPOCH
    return Part.CONSTANT


def _altered(text: str) -> str:
    """A number with another digit, one that shows in its float."""
    at = text.index(".") + 1 if "." in text else len(text) - 1
    if "." not in text and "e" in text.lower():
        at = text.startswith("-")
    digit = text[at]
    return text[:at] + ("8" if digit == "9" else str(int(digit) + 1)) + text[at + 1 :]
