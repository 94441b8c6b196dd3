"""What a format file states of the lines of its program: words, positions and fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from harness.parse.grammar.fields import Field
from harness.parse.number import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The words and positions of a program's lines: heads, and fields behind each of them.

    `needle` is in every line that the program writes. `head` is a head, with named groups: `done`
    of `total` steps, which count within the epoch if there is an `epoch`; the `phase`, `train` if
    there is none; or the `step` of a result. `finished` has the group `done` too, in a line without
    fields. `stated` finds whole numbers that are facts in lines without a head.

    `fields` yields the fields behind a head. `left_out` are names that are not read. `renamed` are
    the series whose names differ from those of their fields, of which results have `ending` behind
    the name. `facts` are fields that state a fact.

    The first step has the number `first`. Values are means over the `interval` between two lines,
    or as many steps as the program's config states, except those of `instant` series. A line of
    training needs a series with the word `needs`; `without` and `without_result` are the reasons
    why a line without a series is skipped, empty where the program writes such lines.
    """

    needle: str
    head: re.Pattern[str]
    fields: Callable[[str], Iterator[Field]]
    finished: re.Pattern[str] | None = None
    stated: tuple[tuple[str, re.Pattern[str]], ...] = ()
    left_out: re.Pattern[str]
    renamed: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    first: int
    means: Literal["interval", "config"]
    instant: frozenset[str]
    needs: str = ""
    without: str = ""
    without_result: str = ""


class Head(NamedTuple):
    """What the head of a line says: its phase, and counters, None where one is damaged.

    `step` counts over the whole training. `done` counts within the epoch where `total` is the end
    of one, else `planned` is the end of the training. A result may have no step.
    """

    phase: str
    step: int | None
    done: int = 0
    epoch: int = 1
    planned: int | None = None
    placed: bool = True


def head_of(match: re.Match[str], first: int) -> Head:
    """Returns what a head says; `first` is the number of the first step.

    >>> match = re.match(r"(?P<epoch>\\d+): (?P<done>\\d+)/(?P<total>\\d+)", "2: 5/20")
    >>> head_of(match, 1)
    Head(phase='train', step=24, done=5, epoch=2, planned=None, placed=True)
    """
    groups = match.groupdict()
    if groups.get("step") is not None:
        return Head("val", count(groups["step"]))
    phase = groups.get("phase") or "train"
    if phase != "train":
        return Head(phase, None, placed=False)
    done, total = count(groups["done"]), count(groups["total"])
    stated = groups.get("epoch")
    epoch = count(stated or "1")
    if done is None or total is None or epoch is None:
        return Head(phase, None)
    if stated is None:
        return Head(phase, max(0, done - first), done, epoch, planned=total)
    return Head(phase, max(0, done - first + (max(1, epoch) - 1) * total), done, epoch)
