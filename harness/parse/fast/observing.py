"""What formats would do with a line: asked of copies, so that nothing is added to the log."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.log.facts import FactValue
from harness.parse.collect import NO_UNITS, Collector
from harness.parse.fast.states import state_of
from harness.parse.format import Format
from harness.parse.line import Line, Place


@dataclass(slots=True)
class Observed:
    """What a format does with a line.

    `taker` is the index of the format, -1 if it hands over anything but one record, facts, and the
    epoch of the record, or if no format takes the line. `readers` are the formats after that.
    """

    taker: int = -1
    place: Place = field(default_factory=lambda: Place(0))
    values: dict[str, float] = field(default_factory=dict)
    instant: tuple[str, ...] = ()
    noted: float | None = None
    rest: list[Any] = field(default_factory=list)
    readers: Sequence[Format] = ()

    def remembers(self) -> bytes:
        """Returns what the formats then remember."""
        return pickle.dumps(self.readers)

    def is_as_after(self, other: Observed) -> bool:
        """Whether the formats remember the same after both lines."""
        # equal pickles are equal states; unequal ones may differ in what objects share
        same = self.remembers() == other.remembers()
        return same or state_of(list(self.readers)) == state_of(list(other.readers))


class _Listener(Collector):
    """Hears what a format hands over, and keeps it apart from the log."""

    def __init__(self, of: Collector) -> None:
        super().__init__()
        self.line, self.last_step, self.window = of.line, of.last_step, of.window
        self.tracks, self._statements, self.fallbacks = of.tracks, of._statements, of.fallbacks
        self.seen = Observed()
        self.records = 0
        self.others = 0

    def record(
        self,
        place: Place,
        values: Mapping[str, float],
        *,
        units: Mapping[str, str] = NO_UNITS,
        instant: Collection[str] = (),
    ) -> None:
        """Hears a record."""
        self.records += 1
        self.others += place.after_last or bool(units)
        self.seen.place, self.seen.values = place, dict(values)
        self.seen.instant = tuple(name for name in values if name in instant)

    def fact(self, name: str, value: FactValue, *, line: int | None = None) -> None:
        """Hears a fact."""
        self.seen.rest.append((name, value, line))

    def epoch(self, step: int, epoch: float) -> None:
        """Hears the epoch of a step."""
        self.others += self.seen.noted is not None
        self.seen.noted = epoch
        self.seen.rest.append(("epoch of", step))

    def learn(self, names: Collection[str]) -> None:
        """Passes over names, which belong to an altered line."""

    def claim(self, format_name: str, *, line: int | None = None) -> None:
        """Passes over a claim."""

    def retract(self, name: str, *, rank: int) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def skip(self, line: int, text: str, reason: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def note(self, text: str, *, about: str = "") -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def odd(self, name: str, was: str | None, value: float, text: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def by_order(self, *names: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1

    def part(self, label: str) -> Collector | None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1
        return self

    def disclaim(self, format_name: str) -> None:  # noqa: ARG002
        """Counts what no template can do."""
        self.others += 1


def observed(kept: bytes, into: Collector, text: str) -> Observed:
    """Returns what the formats in a pickle would do with a line of text without its line end."""
    readers: list[Format] = pickle.loads(kept)  # noqa: S301  (made by `learn`)
    listener = _Listener(into)
    odd: list[str] = []
    line = Line.respelled(into.line + 1, text + "\n", odd)
    seen = listener.seen
    for i, reader in enumerate(readers):
        listener.reader = reader.name
        if reader.feed(line, listener):
            seen.taker = i
            break
    usual = listener.records == 1 and not listener.others and not listener.refusals and not odd
    at = ("epoch of", seen.place.iteration)
    if not usual or (seen.noted is not None and at not in seen.rest):
        seen.taker = -1
    seen.rest = [said for said in seen.rest if said != at]
    seen.readers = readers
    return seen
