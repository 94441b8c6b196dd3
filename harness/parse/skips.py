"""Lines that looked like records and were not, and values that are not numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.log.run import Skipped
from harness.parse.notes import Remark
from harness.parse.tokens import shown

MAX_SKIPPED = 1000
"""Skipped lines kept with their text; more are counted."""
MAX_ODD = 10
"""Values of a series that are not numbers and are listed one by one; all are counted."""
MAX_ODD_SERIES = 2000
"""Series of which such values are listed; those of more are counted."""


class Skips:
    """Keeps both by the format that met them, in the order of the log."""

    def __init__(self) -> None:
        self._skipped: list[tuple[str, Skipped]] = []
        self._count: Counter[str] = Counter()
        self._last = (0, "", "")
        self._odd: dict[tuple[str, str], _Odd] = {}
        self._odd_more = 0

    def add(self, reader: str, line: int, text: str, reason: str) -> None:
        """Notes a line, once if several formats give the same reason."""
        if (line, text, reason) == self._last:
            return
        self._last = (line, text, reason)
        self._count[reader] += 1
        if self._count[reader] <= MAX_SKIPPED:
            self._skipped.append((reader, Skipped(line=line, text=_short(text), reason=reason)))

    def odd(
        self, key: tuple[str, str], line: int, was: str | None, *, value: float, text: str
    ) -> None:
        """Notes a value that is not a number; `was` is its text, None if it was left out.

        `key` is the format and the series, `value` what it is read as, `text` its line.
        """
        name = key[1]
        quoted = (
            f"{was[:80]!r} is not a number" if was else "is empty" if was == "" else "is left out"
        )
        if key not in self._odd and len(self._odd) >= MAX_ODD_SERIES:
            self._odd_more += 1
            return
        odd = self._odd.setdefault(key, _Odd(line, quoted))
        odd.count += 1
        if len(odd.listed) < MAX_ODD:
            reason = f"{name} {quoted}; taken as {shown(value)}".strip()
            odd.listed.append(Skipped(line=line, text=_short(text), reason=reason))

    def forget(self, reader: str) -> None:
        """Drops what a format met."""
        self._skipped = [(of, skipped) for of, skipped in self._skipped if of != reader]
        self._count.pop(reader, None)
        self._odd = {key: odd for key, odd in self._odd.items() if key[0] != reader}

    def replace_lines(self, other: Skips) -> None:
        """Replaces the skipped lines by those of the whole log."""
        self._skipped, self._count = other._skipped, other._count

    def listed(self) -> list[Skipped]:
        """Returns the first ones, in order of lines."""
        found = [s for _, s in self._skipped]
        found += [s for odd in self._odd.values() for s in odd.listed]
        return sorted(found, key=lambda s: s.line)[:MAX_SKIPPED]

    def count(self) -> int:
        """Returns how many lines were skipped or are listed."""
        return self._count.total() + sum(len(odd.listed) for odd in self._odd.values())

    def after(self, line: int) -> Skipped | None:
        """Returns the last line that was skipped, if it comes after this one."""
        at, text, reason = self._last
        if at <= line:
            return None
        return Skipped(line=at, text=text[:400].strip(), reason=reason)

    def remarks(self) -> list[Remark]:
        """Returns a remark on each series with values that are not numbers."""
        remarks = [odd.note(name) for (_, name), odd in self._odd.items()]
        if self._odd_more:
            remarks.append(
                Remark("", f"{self._odd_more} more values of other series are not numbers")
            )
        return remarks


@dataclass(slots=True)
class _Odd:
    """The values of one series that are not numbers: how many, and the first ones."""

    line: int
    quoted: str
    count: int = 0
    listed: list[Skipped] = field(default_factory=list)

    def note(self, name: str) -> Remark:
        """One remark on all of them."""
        what = "1 value is" if self.count == 1 else f"{self.count} values are"
        text = f"{what} not a number; the first, at line {self.line}, {self.quoted}"
        return Remark(name, f": {text}") if name else Remark("", text)


def _short(text: str) -> str:
    return text[:400].strip()[:200]
