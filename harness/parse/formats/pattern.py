r"""A user's own format: a regular expression with named groups, matched by RE2 in linear time.

(?P<step>\d+)\] cost=(?P<loss>[-+.\deE]+)
"""

from __future__ import annotations

from typing import Any

from harness.errors import PolicyError
from harness.parse.collect import Collector
from harness.parse.damage import number_or_word
from harness.parse.line import Line, Place
from harness.parse.number import count

PLACES = ("step", "epoch", "rank", "total")
LONGEST = 10_000
"""Characters of a pattern; what RE2 makes of longer ones takes seconds."""
MOST_GROUPS = 100
MAX_LINE = 1 << 16
"""Characters of a line that are looked at."""


class Pattern:
    """Every line in which the pattern is found is a record.

    Group `step` counts the steps; `epoch`, `rank` and `total` are optional; every other group is a
    series of its name. Without `step` the lines are numbered from 0.
    """

    name = "pattern"
    example = r"pattern = '(?P<step>\d+)\] cost=(?P<loss>\S+)' in ports.toml, or --pattern"
    fallback = False
    long_lines = False

    def __init__(self, pattern: str) -> None:
        self._pattern = compiled(pattern)
        self._unnumbered = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line in which the pattern is found."""
        number, text = line.number, line.raw
        match = self._pattern.search(text[:MAX_LINE])
        if match is None:
            return False
        if not line.whole:
            into.skip(number, text, "the log ends inside this line")
            return True
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        places = {name: count(groups.pop(name)) for name in PLACES if name in groups}
        if None in places.values():
            into.skip(number, text, f"the pattern's {', '.join(places)} must be whole numbers")
            return True
        if "step" not in places:
            places["step"] = self._unnumbered
            self._unnumbered += 1
        into.claim(self.name)
        place = Place(
            places["step"] or 0,
            rank=places.get("rank") or 0,
            epoch=float(places.get("epoch") or 0),
            total=places.get("total") or 0,
        )
        into.record(place, self._values(line, groups, into))
        return True

    def _values(self, line: Line, groups: dict[str, str], into: Collector) -> dict[str, float]:
        values = {}
        for name, shown in groups.items():
            value = number_or_word(name, shown, line.raw, into)
            if value is None:
                into.skip(line.number, line.raw, f"{name} {shown!r:.40} is not a number")
            else:
                values[name] = value
        return values

    def close(self, into: Collector) -> None:
        """Says how lines without a step were numbered."""
        if self._unnumbered:
            into.note(f"pattern: {self._unnumbered} records without a step are numbered from 0")
            into.by_order(*self._pattern.groupindex)


def compiled(pattern: str) -> Any:
    """The pattern for RE2.

    Raises:
        PolicyError: it is no pattern that RE2 takes, or names no series.
    """
    import re2  # noqa: PLC0415  (only a user's own pattern needs it)

    if len(pattern) > LONGEST:
        msg = f"a pattern of {len(pattern)} characters; expected at most {LONGEST}"
        raise PolicyError(msg)
    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options=options)
    except re2.error as error:
        why = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        msg = (
            f"pattern {pattern!r} is not understood: {why}. RE2 knows no look-around and no "
            "back-references; write it without."
        )
        raise PolicyError(msg) from error
    if len(found.groupindex) > MOST_GROUPS:
        msg = f"a pattern with {len(found.groupindex)} groups; expected at most {MOST_GROUPS}"
        raise PolicyError(msg)
    if not set(found.groupindex) - set(PLACES):
        msg = (
            f"pattern {pattern!r} names no series; add a group such as (?P<loss>\\S+) beside "
            r"(?P<step>\d+)"
        )
        raise PolicyError(msg)
    return found
