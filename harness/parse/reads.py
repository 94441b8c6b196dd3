"""Which lines of a log each format took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.log.run import Read
from harness.parse.sources import Key
from harness.parse.track import Track


class Lines:
    """The first and the last line that each format took."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, int]] = {}

    def add(self, reader: str, line: int) -> None:
        """Takes a line of a format."""
        known = self._of.get(reader)
        self._of[reader] = (line if known is None else known[0], line)

    def forget(self, reader: str) -> None:
        """Drops the lines of a format."""
        self._of.pop(reader, None)

    def reads(
        self, asked: Sequence[str], formats: Mapping[str, int], tracks: Mapping[Key, Track]
    ) -> tuple[Read, ...]:
        """Returns the part of each format that took a line, in the order of asking.

        `formats` holds the first line of those with records. Lines that were read in bulk are not
        taken one by one: the last of them is that of the last record.
        """
        records, last = _records(tracks)
        reads = []
        for place, name in enumerate(dict.fromkeys(asked), 1):
            spans = [self._of[name]] if name in self._of else []
            if name in formats:
                spans.append((formats[name], last.get(name, formats[name])))
            if spans:
                read = Read(
                    format=name,
                    place=place,
                    first_line=min(first for first, _ in spans),
                    last_line=max(end for _, end in spans),
                    records=records[name],
                )
                reads.append(read)
        return tuple(reads)


def _records(tracks: Mapping[Key, Track]) -> tuple[Counter[str], dict[str, int]]:
    """The records of each format over all ranks, and the line of the last one."""
    longest: Counter[tuple[str, int]] = Counter()
    last: dict[str, int] = {}
    for (reader, _, rank, _), track in tracks.items():
        longest[reader, rank] = max(longest[reader, rank], len(track.steps))
        last[reader] = max(last.get(reader, 0), track.line)
    records: Counter[str] = Counter()
    for (reader, _), count in longest.items():
        records[reader] += count
    return records, last
