"""Names with the data that they are of before them: `training's l2`, `valid_1's l2`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.parse.grammar.words import EVALUATION, TRAINING
from harness.parse.names import alternation

OWNERS = rf"(?:{alternation(TRAINING | EVALUATION)})(?:_\d{{1,3}})?|cv_agg"
"""What may own a figure: a set of data, numbered if a program has several, or all folds of one."""

_OWNED = re.compile(
    rf"(?P<of>{alternation(TRAINING | EVALUATION)})(?:_(?P<number>\d{{1,3}})|_agg)?"
    r"(?:'s)?[ -](?P<rest>.+)",
    re.ASCII | re.IGNORECASE,
)


def owned(names: Sequence[str]) -> list[str]:
    """Returns the names of a line; the number of its only numbered set says nothing.

    >>> owned(["training's l2", "valid_1's l2"])
    ['training l2', 'valid l2']
    >>> owned(["valid_0's l2", "valid_1's l2"])
    ['valid_0 l2', 'valid_1 l2']
    """
    matches = [_OWNED.fullmatch(name) for name in names]
    numbers = {match["number"] for match in matches if match is not None and match["number"]}
    several = len(numbers) > 1
    return [
        name if match is None else _plain(match, several=several)
        for name, match in zip(names, matches, strict=True)
    ]


def _plain(match: re.Match[str], *, several: bool) -> str:
    number = f"_{match['number']}" if several and match["number"] else ""
    return f"{match['of']}{number} {match['rest']}"
