"""The order of names, with the numbers in them as numbers."""

from __future__ import annotations

import re


def natural(name: str) -> list[tuple[int, str]]:
    """Returns a key that sorts names.

    >>> sorted(["seed_10", "seed_9", "a"], key=natural)
    ['a', 'seed_9', 'seed_10']
    """
    parts = re.findall(r"\d{1,30}|[^\d]{1,200}|\d", name, re.ASCII)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
