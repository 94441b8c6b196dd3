"""Words around numbers: one helper, so that a message says `1 step` and `2 steps`."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "step"), counted(2, "baseline run"), counted(0, "entry", "entries")
    ('1 step', '2 baseline runs', '0 entries')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
