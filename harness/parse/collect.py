"""Gathers what the format readers find in one log, in one pass, keeping numbers only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.log.facts import MAX_NAME as MAX_FACT_NAME
from harness.log.facts import FactValue, RunFacts, kept, short
from harness.log.run import Series, Skipped
from harness.log.shown import printable
from harness.parse.notes import Notes, Remark, listed
from harness.parse.number import MAX_COUNT
from harness.parse.sources import Settled, settle
from harness.parse.statements import Statements
from harness.parse.tokens import shown
from harness.parse.track import Track

MMENGINE_WINDOW = 10
"""mmengine's LogProcessor averages over 10 iterations unless its config says otherwise."""
MAX_SKIPPED = 1000
"""Skipped lines kept with their text; more are counted."""
MAX_SERIES = 20_000
"""Series of one log; what would be more is skipped, and counted."""
MAX_PARTS = 1000
"""Runs of one log."""
MAX_ODD = 10
"""Values of a series that are no numbers and are listed one by one; all are counted."""
MAX_ODD_SERIES = 2000
"""Series of which such values are listed; those of more are counted."""
MAX_NAME = 120
"""Characters of the name of a series."""


class Format(Protocol):
    """Reads the lines of one log format. A fresh object serves one log.

    `fallback` marks a format of few words: its records count only where no other format has any.
    `long_lines` says that it can be given lines of any length; others get none beyond 64 KiB.
    """

    name: str
    example: str
    fallback: bool
    long_lines: bool

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes line `number` (from 1); True if it belonged to this format."""

    def close(self, into: Collector) -> None:
        """The log has ended: hand over what was still open."""


class Collector:
    """Takes records, facts and skipped lines in the order of the log, and gives them back.

    `line`, `reader` and `fallbacks` are set by whoever feeds the readers. `catch_up`, if set, is
    called before a record is taken or the last step asked for: records of earlier lines that were
    read in bulk come in then.
    """

    def __init__(self) -> None:
        self.line = 0
        self.last_line = 0
        self.reader = ""
        self.reader_is_fallback = False
        self.catch_up: Callable[[int], None] | None = None
        self._skipped: list[tuple[str, Skipped]] = []
        self._skipped_of: Counter[str] = Counter()
        self._last_skip = (0, "", "")
        self._odd: dict[tuple[str, str], _Odd] = {}
        self._odd_more = 0
        self._known: set[tuple[str, str]] = set()
        self._epochs: dict[int, float] = {}
        self._parts: dict[str, Collector] = {}
        self.formats: dict[str, int] = {}  # with the first line of each
        self.refusals: dict[str, str] = {}  # why the records of a format cannot be used
        self.window = MMENGINE_WINDOW
        self._last_step = -1
        self._notes = Notes()
        self._escaped: dict[str, str] = {}
        self._shown: set[str] = set()  # names in which something was escaped
        self._statements = Statements()
        self._tracks: dict[tuple[str, str, int, int], Track] = {}
        self.fallbacks: set[str] = set()

    def record(
        self,
        name: str,
        *,
        rank: int,
        iteration: int,
        value: float,
        epoch: float = 0.0,
        window: int = 1,
        unit: str = "",
        total: int = 0,
    ) -> None:
        """Adds one value. `iteration` counts as the log does, within the epoch or over the run.

        `total` is where the log says that the counter ends, 0 if it does not.
        """
        if self.catch_up is not None:
            self.catch_up(self.line)
        track = self.track(name, rank=rank, window=window, unit=unit)
        if track is None or not (0 <= iteration <= MAX_COUNT):
            self.skip(self.line, f"{name[:MAX_NAME]} = {value}", "no place for this record")
            return
        step = track.add(self.line, epoch, iteration, value, total)
        if not self.reader_is_fallback:
            self._last_step = step

    def track(self, name: str, *, rank: int, window: int = 1, unit: str = "") -> Track | None:
        """The track of a series of the present reader; None where the log has too many."""
        key = (self.reader, name, rank, window)
        track = self._tracks.get(key)
        if track is None or self._shown:
            seen = self._seen_as(name)
            if seen != name:
                key = (self.reader, seen, rank, window)
                track = self._tracks.get(key)
            if not seen:
                return None
        if track is None:
            too_many = len(self._tracks) >= MAX_SERIES or len(name) > MAX_NAME
            if too_many or rank > MAX_COUNT or not 1 <= window <= MAX_COUNT:
                return None
            track = self._tracks[key] = Track(unit)
            self._known.add((self.reader, name))
        return track

    def _seen_as(self, name: str) -> str:
        """A name without controls; empty if it has nothing to be seen, or is another one's."""
        if name.isprintable():
            return "" if name in self._shown or not name.strip() else name
        if name not in self._escaped:
            if len(self._escaped) >= MAX_SERIES or len(name) > MAX_NAME:
                return ""
            found = printable(name).strip()
            taken = found in self._shown or self.knows(found)
            self._escaped[name] = "" if taken else found
            self._shown.add(found)
        return self._escaped[name]

    def knows(self, name: str) -> bool:
        """Whether the present reader has a series of this name."""
        return (self.reader, name) in self._known

    def by_order(self, *names: str) -> None:
        """Says that the steps of these series count records in their order; no step is stated."""
        for (reader, name, _, _), track in self._tracks.items():
            if reader == self.reader and name in names:
                track.by_order = True

    def epoch(self, step: int, epoch: float) -> None:
        """States the epoch, which may be a fraction, of the records at a step without number."""
        self._epochs[step] = epoch

    def part(self, label: str) -> Collector | None:
        """What gathers the records of one of several runs of a log; None if there are too many."""
        label = short(printable(label), MAX_NAME)
        found = self._parts.get(label)
        if found is None:
            if len(self._parts) >= MAX_PARTS:
                return None
            found = self._parts[label] = Collector()
        found.line, found.reader = self.line, self.reader
        return found

    def take_over(self, whole: Collector) -> None:
        """Takes over what the whole log says beside the records of its runs."""
        if whole is self:
            return
        self.formats, self.fallbacks = dict(whole.formats), set(whole.fallbacks)
        self._skipped, self._skipped_of = whole._skipped, whole._skipped_of
        self._statements = whole._statements

    def epochs(self) -> Series | None:
        """The stated epochs of records that are numbered in order; None if there are none."""
        if not self._epochs:
            return None
        steps = np.array(list(self._epochs), dtype=np.int64)
        return Series(name="epoch", rank=0, steps=steps, values=np.array([*self._epochs.values()]))

    @property
    def parts(self) -> dict[str, Collector]:
        """The runs of a log that states of each record which run it is of, by their label."""
        return self._parts

    def odd(self, name: str, was: str | None, value: float, text: str) -> None:
        """Notes a value that is no number; `was` is what stands there, None if it is left out.

        `value` is what it is taken as, `text` its line.
        """
        quoted = (
            f"{was[:80]!r} is not a number" if was else "is empty" if was == "" else "is left out"
        )
        key = (self.reader, name)
        if key not in self._odd and len(self._odd) >= MAX_ODD_SERIES:
            self._odd_more += 1
            return
        found = self._odd.setdefault(key, _Odd(self.line, quoted))
        found.count += 1
        if len(found.listed) < MAX_ODD:
            reason = f"{name} {quoted}; taken as {shown(value)}".strip()
            found.listed.append(Skipped(line=self.line, text=_short(text), reason=reason))

    def retract(self, name: str, *, rank: int) -> None:
        """Takes the last record of a series back: what follows shows that it was torn apart."""
        if self.catch_up is not None:
            self.catch_up(self.line)
        track = self._tracks.get((self.reader, name, rank, 1))
        if track is not None:
            track.retract()

    @property
    def last_step(self) -> int:
        """The step of the last record; -1 before the first."""
        if self.catch_up is not None:
            self.catch_up(self.line)
        return self._last_step

    @last_step.setter
    def last_step(self, step: int) -> None:
        self._last_step = step

    def fact(self, name: str, value: FactValue, *, line: int | None = None) -> None:
        """States a fact."""
        self._statements.add(short(printable(name), MAX_FACT_NAME), kept(value), line)

    def has(self, name: str) -> bool:
        """Whether a fact was stated."""
        return name in self._statements

    def note(self, text: str, *, about: str = "") -> None:
        """A remark on the log, or about one of its series: `about` and `text` are one sentence.

        The same one twice counts once, and many of one kind are one with their number.
        """
        self._notes.add(about, text, self.reader)

    def claim(self, format_name: str, *, line: int | None = None) -> None:
        """Says that a format recognised this line, the present one where none is given."""
        at = self.line if line is None else line
        self.formats[format_name] = min(at, self.formats.get(format_name, at))

    def disclaim(self, format_name: str) -> None:
        """Forgets a format with all its records: the log turned out to be something else."""
        self.formats.pop(format_name, None)
        self.refusals.pop(format_name, None)
        self._notes.forget(format_name)
        self._skipped = [(of, skipped) for of, skipped in self._skipped if of != format_name]
        self._skipped_of.pop(format_name, None)
        self._odd = {key: odd for key, odd in self._odd.items() if key[0] != format_name}
        for key in [key for key in self._tracks if key[0] == format_name]:
            del self._tracks[key]

    def skip(self, line: int, text: str, reason: str) -> None:
        """Notes a line that looked like a record and was not; once, if several formats say so."""
        if (line, text, reason) == self._last_skip:
            return
        self._last_skip = (line, text, reason)
        self._skipped_of[self.reader] += 1
        if self._skipped_of[self.reader] <= MAX_SKIPPED:
            skipped = Skipped(line=line, text=_short(text), reason=reason)
            self._skipped.append((self.reader, skipped))

    @property
    def skipped(self) -> list[Skipped]:
        """The first skipped lines, in order."""
        found = [s for _, s in self._skipped]
        found += [s for odd in self._odd.values() for s in odd.listed]
        return sorted(found, key=lambda s: s.line)[:MAX_SKIPPED]

    @property
    def skipped_count(self) -> int:
        """How many lines were skipped."""
        return self._skipped_of.total() + sum(len(odd.listed) for odd in self._odd.values())

    @property
    def unread_end(self) -> Skipped | None:
        """The last line that looked like a record, if it stands behind every whole record."""
        line, text, reason = self._last_skip
        if line <= self.last_line:
            return None
        return Skipped(line=line, text=text[:400].strip(), reason=reason)

    def settle(self) -> Settled:
        """The series in order of rank, name and window, and the records that later ones replaced.

        Formats of few words give way to others. The tracks are handed over: call it once.
        """
        if any(key[0] not in self.fallbacks for key in self._tracks):
            for name in self.fallbacks:
                self.disclaim(name)
        self.reader = ""
        self.last_line = max((t.line for t in self._tracks.values()), default=0)
        restarts = [t.ended_line for t in self._tracks.values() if t.restarts()]
        self._statements.run_began_after = max(restarts, default=0)
        return settle(self._tracks, self.note)

    def facts(self, derived: Mapping[str, FactValue] | None = None) -> RunFacts:
        """The facts that hold, with derived ones where the log states none."""
        values, lines = self._statements.settled()
        return RunFacts(values_by_name={**(derived or {}), **values}, lines=lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """Every remark, those on contradicting facts last."""
        odd = [of.note(name) for (_, name), of in self._odd.items()]
        if self._odd_more:
            odd.append(Remark("", f"{self._odd_more} more values of other series are not numbers"))
        return tuple(
            map(
                printable,
                listed([*self._notes.remarks(), *odd, *self._statements.contradictions()]),
            )
        )


@dataclass(slots=True)
class _Odd:
    """The values of one series that are no numbers: how many, the first ones, and their remarks."""

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
