"""Fields behind the head of a line: `name: 1` until the next name, or between bars."""

from __future__ import annotations

import re
from typing import Protocol

from harness.parse.number import number

MAX_BARS = 100
"""Fields between bars that are read; more are another program's."""
MAX_PART = 61
"""Characters of a name or a value between bars; longer text is another program's."""

_NAME = r"(?<![\w./-])([A-Za-z_][\w./-]{0,120}):"
_BLANKS = " \t\r\n,"
_STAMP = re.compile(r"\s{0,8}\[[\d :.-]{8,40}\]\s{0,8}")
"""A time behind the last bar, which stands before the next head of the line."""

Field = tuple[str, str, str | None]
"""The name of a field, the text of its value, and the text behind it, None if the line was cut."""


class Fields(Protocol):
    """A form of fields."""

    def split(self, text: str) -> list[Field]:
        """Returns the fields in the text behind a head."""

    def fault(self, field: Field) -> str:
        """Returns why a field is not read."""


class Parted:
    """Fields `name: value` parted by blanks, and by commas if they are `marks`.

    A value is whole if the next field or the line's end follows.

    >>> Parted().split("lr: 0.1  loss: 2.5")
    [('lr', '0.1', ''), ('loss', '2.5', None)]
    """

    def __init__(self, marks: str = "") -> None:
        end = rf"{re.escape(marks)}\s"
        self._pattern = re.compile(rf"{_NAME}(?: ([^{end}]*)|(?=[{end}]))[{_BLANKS}]*")

    def split(self, text: str) -> list[Field]:
        """Returns the fields in the text behind a head."""
        matches = list(self._pattern.finditer(text))
        starts = [match.start() for match in matches[1:]]
        fields: list[Field] = []
        for match, end in zip(matches, [*starts, len(text)], strict=False):
            name, shown = match.group(1, 2)
            at = match.end()
            fields.append((name, shown or "", "" if at == end else text[at:end].strip(_BLANKS)))
        if matches and matches[-1].end(2) == len(text):
            fields[-1] = (*fields[-1][:2], None)
        return fields

    def fault(self, field: Field) -> str:
        """Returns why a field is not read."""
        name, shown, behind = field
        if behind is None:
            return f"the line was cut inside {name}"
        if number(shown) is None:
            return f"{name} {shown!r:.80} is not a number"
        return f"{behind!r:.80} stands behind {name}"


class Barred:
    """Fields `name: value`, each of which a bar ends; text without a name has an empty name.

    >>> Barred().split(" lm loss: 2.5 | grad norm: 1.")
    [('lm loss', '2.5', ''), ('', 'grad norm: 1.', None)]
    """

    def split(self, text: str) -> list[Field]:
        """Returns the fields in the text behind a head."""
        *parts, rest = text.split("|")
        fields = [_barred(part.strip()) for part in parts[:MAX_BARS]]
        if rest and not rest.isspace() and not _STAMP.fullmatch(rest):
            fields.append(("", rest.strip(), None))
        return fields

    def fault(self, field: Field) -> str:
        """Returns why a field is not read."""
        name, shown, behind = field
        if behind is None:
            return "a field without its closing bar: the line was cut"
        shown = f"{name}: {shown}" if name else shown
        return f"expected 'name: number' between bars, not {shown!r:.80}"


def _barred(text: str) -> Field:
    name, colon, shown = text.partition(":")
    name, shown = name.rstrip(), shown.lstrip()
    named = colon and name[:1].isalpha() and max(len(name), len(shown)) <= MAX_PART
    return (name, shown, "") if named else ("", text, "")
