"""Finds out what each number of a line is, by asking the format of the line about altered lines.

The formats are copied, so that nothing is added to the log. One number after the other is altered,
and what the format then hands over, and what it then remembers, show the part of the number.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from harness.log.facts import FactValue
from harness.parse.collect import NO_UNITS, Collector
from harness.parse.fast.states import TooLargeError, state_of
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
from harness.parse.line import Line, Place

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
_SINGLE = (Part.ITERATION, Part.RANK, Part.EPOCH, Part.NOTED_EPOCH)


@dataclass(slots=True)
class Observed:
    """What a format does with a line.

    `taker` is the index of the format, -1 if it hands over anything but one record, facts, and the
    epoch of the record, or if no format takes the line. `readers` are the formats after that.
    """

    taker: int = -1
    place: Place = field(default_factory=lambda: Place(0))
    values: dict[str, float] = field(default_factory=dict)
    instant: tuple[str, ...] = ()
    noted: float | None = None
    rest: list[Any] = field(default_factory=list)
    readers: Sequence[Format] = ()

    def remembers(self) -> bytes:
        """Returns what the formats then remember."""
        return pickle.dumps(self.readers)

    def is_as_after(self, other: Observed) -> bool:
        """Whether the formats remember the same after both lines."""
        # equal pickles are equal states; unequal ones may differ in what objects share
        same = self.remembers() == other.remembers()
        return same or state_of(list(self.readers)) == state_of(list(other.readers))


class _Listener(Collector):
    """Hears what a format hands over, and keeps it apart from the log."""

    def __init__(self, of: Collector) -> None:
        super().__init__()
        self.line, self.last_step, self.window = of.line, of.last_step, of.window
        self.tracks, self._statements, self.fallbacks = of.tracks, of._statements, of.fallbacks
        self.seen = Observed()
        self.records = 0
        self.others = 0

    def record(
        self,
        place: Place,
        values: Mapping[str, float],
        *,
        units: Mapping[str, str] = NO_UNITS,
        instant: Collection[str] = (),
    ) -> None:
        """Hears a record."""
        self.records += 1
        self.others += place.after_last or bool(units)
        self.seen.place, self.seen.values = place, dict(values)
        self.seen.instant = tuple(name for name in values if name in instant)

    def fact(self, name: str, value: FactValue, *, line: int | None = None) -> None:
        """Hears a fact."""
        self.seen.rest.append((name, value, line))

    def epoch(self, step: int, epoch: float) -> None:
        """Hears the epoch of a step."""
        self.others += self.seen.noted is not None
        self.seen.noted = epoch
        self.seen.rest.append(("epoch of", step))

    def claim(self, format_name: str, *, line: int | None = None) -> None:
        """Passes over a claim."""

    def retract(self, name: str, *, rank: int) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def skip(self, line: int, text: str, reason: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def note(self, text: str, *, about: str = "") -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def odd(self, name: str, was: str | None, value: float, text: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def by_order(self, *names: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def part(self, label: str) -> Collector | None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1
        return self

    def disclaim(self, format_name: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1


def observed(kept: bytes, into: Collector, text: str) -> Observed:
    """Returns what the formats in a pickle would do with a line of text without its line end."""
    readers: list[Format] = pickle.loads(kept)  # noqa: S301  (made by `learn`)
    listener = _Listener(into)
    odd: list[str] = []
    line = Line.respelled(into.line + 1, text + "\n", odd)
    seen = listener.seen
    for i, reader in enumerate(readers):
        listener.reader = reader.name
        if reader.feed(line, listener):
            seen.taker = i
            break
    usual = listener.records == 1 and not listener.others and not listener.refusals and not odd
    at = ("epoch of", seen.place.iteration)
    if not usual or (seen.noted is not None and at not in seen.rest):
        seen.taker = -1
    seen.rest = [said for said in seen.rest if said != at]
    seen.readers = readers
    return seen


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
        if base.taker < 0 or not all(map(isfinite, base.values.values())):
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
