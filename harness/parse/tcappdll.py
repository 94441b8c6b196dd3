"""TCAPPDLL records, one per step and rank, several on a line where processes share a pipe.

TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  train.loss : 3.93  \
train.ips : 12.9 imgs/s train.total_time : 0.154
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector

MARK = "TCAPPDLL"
_HEAD = re.compile(
    r"\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? - "
    r"Epoch: (?P<epoch>\d+(?:\.\d+)?) Iteration: (?P<iteration>\d+)\s+rank ?: ?(?P<rank>-?\d+)\s+"
)
_FIELD = re.compile(r"(?P<name>[A-Za-z_][\w.]*) : (?P<value>\S+)(?: (?P<unit>[a-z]+/s)\b)?")


class Tcappdll:
    """Reads the plain spelling of the records; each field of each rank becomes a series."""

    name = "tcappdll"
    example = (
        "TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  "
        "train.loss : 3.9321765899658203  train.ips : 12.938 imgs/s train.total_time : 0.1545"
    )

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes every record on the line."""
        if MARK not in line:
            return False
        complete = line.endswith("\n")
        _, *pieces = line.split(MARK)
        for i, piece in enumerate(pieces):
            cut = i == len(pieces) - 1 and not complete
            self._record(number, piece, into, cut=cut)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _record(self, number: int, piece: str, into: Collector, *, cut: bool) -> None:
        head = _HEAD.match(piece)
        if head is None:
            into.skip(number, MARK + piece, "no 'Epoch: e Iteration: i  rank : r' after the mark")
            return
        rank = max(0, int(head["rank"]))  # a single process calls itself -1
        found = False
        for field in _FIELD.finditer(piece, head.end()):
            if cut and field.end() == len(piece):
                into.skip(number, MARK + piece, f"the log ends inside {field['name']}")
                continue
            try:
                value = float(field["value"])
            except ValueError:
                into.skip(
                    number, MARK + piece, f"{field['name']} {field['value']!r} is not a number"
                )
                continue
            found = True
            into.record(
                field["name"].removeprefix("train."),
                rank=rank,
                iteration=int(head["iteration"]),
                epoch=float(head["epoch"]),
                value=value,
                unit=field["unit"] or "",
            )
        if found:
            into.claim(self.name)
        elif not cut:
            into.skip(number, MARK + piece, "a record without a 'name : value' field")
