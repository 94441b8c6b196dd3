"""The series of a log while they arrive: each has a format, a name, a rank and a window."""

from __future__ import annotations

from collections.abc import Iterable

from harness.log.shown import printable
from harness.parse.number import MAX_COUNT
from harness.parse.sources import Key
from harness.parse.track import Track

MAX_SERIES = 20_000
"""Series of one log; what would be more is skipped, and counted."""
MAX_NAME = 120
"""Characters of the name of a series."""


class Tracks:
    """Finds the track of a series, and makes it where the log has room for one more."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Track] = {}
        self._by_place: dict[tuple[str, int, int], dict[str, Track]] = {}
        self._known: dict[str, set[str]] = {}
        self._escaped: dict[str, str] = {}
        self._shown: set[str] = set()  # names in which something was escaped

    def of_place(self, reader: str, rank: int, window: int) -> dict[str, Track]:
        """Returns the tracks that `find` has returned for this format, rank and window, by name."""
        key = (reader, rank, window)
        tracks = self._by_place.get(key)
        if tracks is None:
            tracks = self._by_place[key] = {}
        return tracks

    def find(self, reader: str, name: str, *, rank: int, window: int, unit: str) -> Track | None:
        """Returns the track of a series; None where the log has too many, or the name is unfit."""
        seen = self._seen_as(reader, name)
        if not seen:
            return None
        key = (reader, seen, rank, window)
        track = self.by_key.get(key)
        if track is None:
            too_many = len(self.by_key) >= MAX_SERIES or len(name) > MAX_NAME
            if too_many or rank > MAX_COUNT or not 1 <= window <= MAX_COUNT:
                return None
            track = self.by_key[key] = Track(unit)
        self.of_place(reader, rank, window)[name] = track
        return track

    def _seen_as(self, reader: str, name: str) -> str:
        """The name without controls; empty if it is blank, or shown as another name is."""
        if name.isprintable():
            return "" if name in self._shown or not name.strip() else name
        if name not in self._escaped:
            if len(self._escaped) >= MAX_SERIES or len(name) > MAX_NAME:
                return ""
            shown = printable(name).strip()
            taken = shown in self._shown or self.knows(reader, shown)
            self._escaped[name] = "" if taken else shown
            self._shown.add(shown)
            self._forget_places()  # this name may now stand for two series
        return self._escaped[name]

    def learn(self, reader: str, names: Iterable[str]) -> None:
        """Remembers that a format has series of these names."""
        known = self._known.setdefault(reader, set())
        if not known.issuperset(names) and len(known) < MAX_SERIES:
            known.update(name for name in names if len(name) <= MAX_NAME)

    def knows(self, reader: str, name: str) -> bool:
        """Returns whether a format has a series of this name."""
        return name in self._known.get(reader, ())

    def forget(self, reader: str) -> None:
        """Drops the tracks of a format."""
        self.by_key = {key: track for key, track in self.by_key.items() if key[0] != reader}
        self._forget_places()

    def _forget_places(self) -> None:
        for tracks in self._by_place.values():
            tracks.clear()  # a record that is being added may hold it
        self._by_place.clear()
