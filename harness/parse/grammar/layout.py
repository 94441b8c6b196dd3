"""What a format file states of the lines of its program: words, positions and fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from harness.parse.grammar.fields import Fields
from harness.parse.number import count

TIMES = frozenset({"time", "data_time"})
"""Fields of a result that say how long it took."""
CACHED = 4096
"""Names whose series are remembered: a log prints the same few on every line."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # as a key, by identity
class Layout:
    """The words and positions of a program's lines: heads, and fields behind each of them.

    `needle` is in every line that the program writes. `head` is a head, with named groups: `done`
    of `total` steps, which count within the epoch if there is an `epoch`; the `phase`, `train` if
    there is none; or the `step` of a result. `finished` has the group `done` too, in a line without
    fields. `stated` finds whole numbers that are facts in lines without a head.

    `fields` is the form of the fields behind a head. `left_out` are names that are not read.
    `renamed` are the series whose names differ from those of their fields. `facts` are fields that
    state a fact. If there are `endings`, every name of a result has one of them, which is replaced;
    other fields behind its head are another line's.

    The first step has the number `first`. Values are means over the `interval` between two lines,
    or as many steps as the program's config states, except those of `instant` series. A line of
    training needs a series with the word `needs`; `without` and `without_result` are the reasons
    why a line without a series is skipped, empty where the program writes such lines.

    Raises:
        ValueError: `head` has no group `done` or no group `total`.
    """

    needle: str
    head: re.Pattern[str]
    fields: Fields
    finished: re.Pattern[str] | None = None
    stated: tuple[tuple[str, re.Pattern[str]], ...] = ()
    left_out: re.Pattern[str]
    renamed: Mapping[str, str] = field(default_factory=dict)
    endings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    first: int
    means: Literal["interval", "config"]
    instant: frozenset[str]
    needs: str = ""
    without: str = ""
    without_result: str = ""

    def __post_init__(self) -> None:
        if missing := {"done", "total"} - self.head.groupindex.keys():
            msg = f"the head of a layout has no group {' or '.join(sorted(missing))}"
            raise ValueError(msg)


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
    r"""Returns what a head says; `first` is the number of the first step.

    >>> match = re.match(r"(?P<epoch>\d+): (?P<done>\d+)/(?P<total>\d+)", "2: 5/20")
    >>> head_of(match, 1)
    Head(phase='train', step=24, done=5, epoch=2, planned=None, placed=True)
    """
    groups = match.groupdict()
    phase, shown, step = groups.get("phase"), groups.get("epoch"), groups.get("step")
    if step is not None:
        return Head("val", count(step))
    if phase is not None and phase != "train":
        return Head(phase, None, placed=False)
    done, total = count(groups["done"]), count(groups["total"])
    epoch = 1 if shown is None else count(shown)
    if done is None or total is None or epoch is None:
        return Head("train", None)
    if shown is None:
        return Head("train", max(0, done - first), done, 1, total)
    return Head("train", max(0, done - first + (max(1, epoch) - 1) * total), done, epoch)


@lru_cache(maxsize=CACHED)
def series_of(layout: Layout, name: str, phase: str) -> str | None:
    """Returns the series of a field behind a head of this phase; None for a field left out."""
    result = phase != "train"
    if layout.left_out.fullmatch(name) or (result and name in TIMES):
        return None
    if not result:
        return layout.renamed.get(name, name)
    end = next((end for end in layout.endings if name.endswith(end)), "")
    if layout.endings and not end:
        return None
    stem = name.removesuffix(end)
    return f"{phase}.{layout.renamed.get(stem, stem)}{layout.endings.get(end, '')}"
