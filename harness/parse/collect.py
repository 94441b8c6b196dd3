"""Gathers what the formats read in one log, in one pass, keeping numbers only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.log.facts import MAX_NAME as MAX_FACT_NAME
from harness.log.facts import FactValue, RunFacts, kept, short
from harness.log.run import Read, Series, Skipped
from harness.log.shown import printable
from harness.parse.containers import ranked
from harness.parse.line import Place
from harness.parse.notes import Notes, listed
from harness.parse.number import MAX_COUNT
from harness.parse.reads import Lines
from harness.parse.several import refusals
from harness.parse.skips import Skips
from harness.parse.sources import Settled, settle
from harness.parse.statements import Statements
from harness.parse.tracks import MAX_NAME, Tracks

MMENGINE_WINDOW = 10
"""mmengine's LogProcessor averages over 10 iterations unless its config says otherwise."""
MAX_PARTS = 1000
"""Runs of one log."""
NO_UNITS: Mapping[str, str] = MappingProxyType({})


class Record(NamedTuple):
    """A record as a format handed it over."""

    reader: str
    place: Place
    values: Mapping[str, float]
    instant: Collection[str]


class Collector:
    """Takes records, facts and skipped lines in the order of the log.

    Records wait in `waiting` until `write` adds them to their series, so that the reading loop can
    first add records of earlier lines that were read in bulk. The loop sets `line` and `reader`.
    `handed_over` keeps the records of a line for a reader of templates, if it is a list.
    """

    def __init__(self) -> None:
        self.line = 0
        self.last_line = 0
        self.reader = ""
        self.last_step = -1
        self.window = MMENGINE_WINDOW
        self.formats: dict[str, int] = {}  # with the first line of each
        self.asked: tuple[str, ...] = ()  # the formats in the order of asking
        self.lines = Lines()
        self.refusals: dict[str, str] = {}  # why the records of a format cannot be used
        self.fallbacks: set[str] = set()
        self.in_containers = False  # ranks of plain lines are numbers of containers
        self.waiting: list[Callable[[], None]] = []
        self.handed_over: list[Record] | None = None
        self.tracks = Tracks()
        self._skips = Skips()
        self._notes = Notes()
        self._statements = Statements()
        self._epochs: dict[int, float] = {}
        self._by_order: set[tuple[str, str]] = set()
        self._parts: dict[str, Collector] = {}

    def record(
        self,
        place: Place,
        values: Mapping[str, float],
        *,
        units: Mapping[str, str] = NO_UNITS,
        instant: Collection[str] = (),
    ) -> None:
        """Takes the values of one record by the names of their series.

        Values named in `instant` are of one step, whatever the window of `place` is.
        """
        self.learn(values)
        if self.handed_over is not None:
            self.handed_over.append(Record(self.reader, place, values, instant))
        how = units, instant
        self.waiting.append(partial(self._add, self.line, self.reader, place, values, how))

    def retract(self, name: str, *, rank: int) -> None:
        """Takes the last value of a series back: what follows shows that it was torn apart."""
        self.waiting.append(partial(self._retract, (self.reader, name, rank, 1)))

    def purge(self, step: int) -> None:
        """Sets the records of the present reader from a step on aside: the run goes on from it."""
        self.waiting.append(partial(self._purge, self.reader, step))

    def write(self) -> None:
        """Adds what is waiting to the series."""
        for add in self.waiting:
            add()
        self.waiting.clear()

    def _add(
        self,
        line: int,
        reader: str,
        place: Place,
        values: Mapping[str, float],
        how: tuple[Mapping[str, str], Collection[str]],
    ) -> None:
        units, instant = how
        iteration, rank, epoch, total, window, after_last = place
        if after_last:
            iteration = max(iteration, self.last_step)
        fits = 0 <= iteration <= MAX_COUNT
        tracks = self.tracks.of_place(reader, rank, window)
        single = self.tracks.of_place(reader, rank, 1) if instant else tracks
        step = -1
        for name, value in values.items():
            known, over = (single, 1) if name in instant else (tracks, window)
            track = known.get(name)
            if track is None:
                unit = units.get(name, "")
                track = self.tracks.find(reader, name, rank=rank, window=over, unit=unit)
            if track is None or not fits:
                text = f"{name[:MAX_NAME]} = {value}"
                self._skips.add(reader, line, text, "no place for this record")
                continue
            step = track.add(line, epoch, iteration, value, total)
        if step >= 0 and reader not in self.fallbacks:
            self.last_step = step

    def _retract(self, key: tuple[str, str, int, int]) -> None:
        track = self.tracks.by_key.get(key)
        if track is not None:
            track.retract()

    def _purge(self, reader: str, step: int) -> None:
        for key, track in self.tracks.by_key.items():
            if key[0] == reader:
                track.purge(step)

    def learn(self, names: Collection[str]) -> None:
        """Says that the present reader has series of these names, whose records it holds."""
        self.tracks.learn(self.reader, names)

    def knows(self, name: str) -> bool:
        """Returns whether the present reader has a series of this name."""
        return self.tracks.knows(self.reader, name)

    def by_order(self, *names: str) -> None:
        """Says that the log states no step for these series: theirs number the records."""
        self._by_order |= {(self.reader, name) for name in names}

    def epoch(self, step: int, epoch: float) -> None:
        """States the epoch, which may be a fraction, of the records at a step without number."""
        self._epochs[step] = epoch

    def epochs_of(self, steps: NDArray[np.int64], epochs: NDArray[np.float64]) -> None:
        """States the epochs of many records (n,) at once."""
        self._epochs.update(zip(steps.tolist(), epochs.tolist(), strict=True))

    def part(self, label: str) -> Collector | None:
        """Returns what gathers the records of one of several runs; None if there are too many."""
        label = short(printable(label), MAX_NAME)
        part = self._parts.get(label)
        if part is None:
            if len(self._parts) >= MAX_PARTS:
                return None
            part = self._parts[label] = Collector()
            part.waiting = self.waiting
        part.line, part.reader = self.line, self.reader
        return part

    def take_over(self, whole: Collector) -> None:
        """Takes over what the whole log says beside the records of its runs."""
        if whole is self:
            return
        self.formats, self.fallbacks = dict(whole.formats), set(whole.fallbacks)
        self.asked, self.lines = whole.asked, whole.lines
        self._skips.replace_lines(whole._skips)
        self._statements = whole._statements

    def epochs(self) -> Series | None:
        """Returns the stated epochs of records that are numbered in order; None without any."""
        if not self._epochs:
            return None
        steps = np.array(list(self._epochs), dtype=np.int64)
        return Series(name="epoch", rank=0, steps=steps, values=np.array([*self._epochs.values()]))

    def reads(self) -> tuple[Read, ...]:
        """Returns the part of the log that each format took, in the order of asking."""
        return self.lines.reads(self.asked, self.formats, self.tracks.by_key)

    @property
    def parts(self) -> dict[str, Collector]:
        """The runs of a log that states of each record which run it is of, by their label."""
        return self._parts

    def fact(self, name: str, value: FactValue, *, line: int | None = None) -> None:
        """States a fact."""
        self._statements.add(short(printable(name), MAX_FACT_NAME), kept(value), line)

    def has(self, name: str) -> bool:
        """Returns whether a fact was stated."""
        return name in self._statements

    def note(self, text: str, *, about: str = "") -> None:
        """Takes a remark on the log, or on a series: `about` and `text` are one sentence.

        Equal remarks count once; many of one kind become one remark with their number.
        """
        self._notes.add(about, text, self.reader)

    def has_records(self) -> bool:
        """Returns whether a format has recognised a line with records before the present line.

        In bulk, records of later lines may be known already.
        """
        return any(at < self.line for at in self.formats.values())

    def claim(self, format_name: str, *, line: int | None = None) -> None:
        """Says that a format recognised this line, by default the present line."""
        at = self.line if line is None else line
        self.formats[format_name] = min(at, self.formats.get(format_name, at))

    def disclaim(self, format_name: str) -> None:
        """Forgets a format with all its records: the log turned out to be something else."""
        self.write()
        self.formats.pop(format_name, None)
        self.refusals.pop(format_name, None)
        self._notes.forget(format_name)
        self._skips.forget(format_name)
        self.lines.forget(format_name)
        self.tracks.forget(format_name)

    def skip(self, line: int, text: str, reason: str) -> None:
        """Notes a line that looks like a record and is not."""
        self._skips.add(self.reader, line, text, reason)

    def odd(self, name: str, was: str | None, value: float, text: str) -> None:
        """Notes a value that is not a number; `was` is its text, None if it was left out.

        `value` is what it is read as, `text` its line.
        """
        self._skips.odd((self.reader, name), self.line, was, value=value, text=text)

    @property
    def skipped(self) -> list[Skipped]:
        """The first skipped lines, in order."""
        return self._skips.listed()

    @property
    def skipped_count(self) -> int:
        """How many lines were skipped."""
        return self._skips.count()

    @property
    def unread_end(self) -> Skipped | None:
        """The last line that looked like a record, if it comes after every whole record."""
        return self._skips.after(self.last_line)

    def settle(self) -> Settled:
        """Returns the series by rank, name and window, and the records that later ones replaced.

        Fallback formats give way to others. The tracks are handed over: call it once.
        """
        self.write()
        if any(key[0] not in self.fallbacks for key in self.tracks.by_key):
            for name in self.fallbacks:
                self.disclaim(name)
        tracks = self.tracks.by_key
        if self.in_containers:
            tracks = ranked(tracks)
        for key, track in tracks.items():
            track.by_order = key[:2] in self._by_order
        self.refusals = {**refusals(tracks), **self.refusals}
        self.reader = ""
        self.last_line = max((t.line for t in tracks.values()), default=0)
        restarts = [t.ended_line for t in tracks.values() if t.restarts()]
        self._statements.run_began_after = max(restarts, default=0)
        return settle(tracks, self.note)

    def facts(self, derived: Mapping[str, FactValue] | None = None) -> RunFacts:
        """Returns the facts that hold, with derived ones where the log states none."""
        values, lines = self._statements.settled()
        return RunFacts(values_by_name={**(derived or {}), **values}, lines=lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """Every remark, those on contradicting facts last."""
        remarks = [*self._notes.remarks(), *self._skips.remarks()]
        return tuple(map(printable, listed([*remarks, *self._statements.contradictions()])))
