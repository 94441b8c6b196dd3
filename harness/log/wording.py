"""Words around numbers: `1 step`, `2 steps`."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns a number with its noun in the singular or plural.

    >>> counted(1, "step"), counted(2, "baseline run"), counted(0, "entry", "entries")
    ('1 step', '2 baseline runs', '0 entries')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
