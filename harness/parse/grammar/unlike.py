"""Figures whose name does not stand directly before them."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.parse.number import VALUE, number

_LIST = re.compile(
    rf"\s{{0,16}}\d{{1,12}}(?:, \d{{1,6}}\.\d{{1,9}})?: (?P<items>{VALUE}, {VALUE} avg\b[^\n]*)",
    re.ASCII,
)
_ITEM = re.compile(rf"(?P<value>{VALUE})(?: (?P<words>avg loss|avg|rate))?(?=,|\s|$)", re.ASCII)
_NAMES = {None: "loss", "avg": "avg loss", "avg loss": "avg loss", "rate": "learning rate"}
_SENTENCE = re.compile(
    r"\b(?P<name>objective) function for '(?P<output>[\w.-]{1,40})' for [\w -]{1,40} is "
    rf"(?P<value>{VALUE})(?![\w.%])",
    re.ASCII,
)


class Unlike(NamedTuple):
    """A figure: its name, its value, and where it starts."""

    name: str
    value: float
    start: int


def unlike(text: str) -> list[Unlike]:
    """Returns the figures of a list whose names follow them, or of a sentence.

    The first of such a list has no name; it is the loss, of which the second is a running mean.

    >>> [(f.name, f.value) for f in unlike("7: 2.5, 2.75 avg loss, 0.001 rate, 3 seconds")]
    [('loss', 2.5), ('avg loss', 2.75), ('learning rate', 0.001)]
    >>> [f[:2] for f in unlike("objective function for 'output' for minibatches 0-9 is -1.5 over")]
    [('objective', -1.5)]
    """
    if " avg" in text and (listed := _LIST.match(text)):
        items = [_ITEM.match(text, at) for at in _starts(listed)]
        return [_figure(_NAMES[m["words"]], m) for m in items if m is not None and _is_known(m)]
    said = _SENTENCE.search(text) if "objective function" in text else None
    if said is None:
        return []
    output = "" if said["output"] == "output" else f"_{said['output']}"
    return [_figure(said["name"] + output, said)]


def _starts(listed: re.Match[str]) -> list[int]:
    """Where the items of a list start."""
    start, items = listed.start("items"), listed["items"]
    return [start, *(start + comma.end() for comma in re.finditer(", ", items))]


def _is_known(item: re.Match[str]) -> bool:
    """Whether an item has a name that is known, or none at all."""
    return item["words"] is not None or item.string[item.end() : item.end() + 1] == ","


def _figure(name: str, match: re.Match[str]) -> Unlike:
    value = number(match["value"])
    assert value is not None  # noqa: S101  (the pattern is that of a number)
    return Unlike(name, value, match.start())
