"""Remarks on a log: the same one counts once, and many of one kind are one with their number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

LISTED = 3
"""Remarks of one kind that are listed one by one."""
_VARIES = re.compile(r"'[^']*'|\d[\d.,]*")
"""What differs between remarks of one kind."""


class Remark(NamedTuple):
    """What is said, and the series or fact that it is said about, empty for the whole log."""

    about: str
    text: str

    @property
    def kind(self) -> tuple[bool, str]:
        """What remarks on several series have in common."""
        text = self.text.replace(self.about.split(" of rank ")[0], "") if self.about else self.text
        return bool(self.about), _VARIES.sub("#", text)


def listed(remarks: Iterable[Remark]) -> list[str]:
    """The remarks as text, in order. Of more than three of a kind, the first and their number.

    >>> listed(Remark(f"a{i} of rank 0", ": steps are out of order") for i in range(9))
    ['a0 of rank 0: steps are out of order (likewise 8 more)']
    """
    found = list(dict.fromkeys(remarks))
    counts = Counter(remark.kind for remark in found if remark.about)
    said: set[tuple[bool, str]] = set()
    texts = []
    for remark in found:
        kind = remark.kind
        more = counts[kind] - 1
        if more < LISTED:
            texts.append(remark.about + remark.text)
        elif kind not in said:
            said.add(kind)
            texts.append(f"{remark.about}{remark.text} (likewise {more} more)")
    return texts


class Notes:
    """Remarks by the format that made them."""

    def __init__(self) -> None:
        self._of: dict[Remark, str] = {}

    def add(self, about: str, text: str, of: str) -> None:
        """Takes a remark."""
        self._of.setdefault(Remark(about, text), of)

    def forget(self, of: str) -> None:
        """Drops those of a format."""
        self._of = {remark: by for remark, by in self._of.items() if by != of}

    def remarks(self) -> list[Remark]:
        """All of them."""
        return list(self._of)
