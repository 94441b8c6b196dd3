"""TCAPPDLL records whose mark is followed by JSON, with the figures as text inside it.

TCAPPDLL {"timestamp": "1750124842.5", "datetime": "2025-06-17 01:47:22.479181", "type": "LOG", \
"step": [24, 97], "data": "{'rank': '-1', 'train.loss': '429.94', 'train.ips': '68.06'}"}
"""

from __future__ import annotations

import re
from typing import Any

from harness.parse.collect import Collector
from harness.parse.formats.tcappdll import MARK, Tcappdll, series_name
from harness.parse.jsonlike import loads
from harness.parse.line import Line, Place
from harness.parse.number import count, json_count, number
from harness.parse.rows import Rows

_PAIR = re.compile(
    r"""['"](?P<name>[\w./-]{1,80})['"]: ?(?P<value>'[^']{0,64}'|"[^"]{0,64}"|[^'",}]{0,64}?)"""
    r"""(?=\s{0,8}[,}]|$)"""
)


MAX_UNITS = 99
"""Series whose units are kept."""


class TcappdllJson:
    """Reads the records of type LOG; the units come from those of type METADATA."""

    name = Tcappdll.name
    example = (
        'TCAPPDLL {"datetime": "2025-06-17 01:47:22.479181", "type": "LOG", "step": [24, 97], '
        "\"data\": \"{'rank': '-1', 'train.loss': '429.94', 'train.ips': '68.06'}\"}"
    )
    fallback = False
    long_lines = True

    def __init__(self) -> None:
        self._units: dict[str, str] = {}
        self._rows = Rows()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes every record on the line; False where none is JSON."""
        if "{" not in line.text or MARK not in line.text:
            return False
        _, *parts = line.text.split(MARK)
        if not any(part.lstrip().startswith("{") for part in parts):
            return False
        for part in parts:
            event = loads(part)
            if event is None:
                into.skip(line.number, MARK + part, "starts like a JSON record and is none")
                continue
            self._event(line.number, event, part, into)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _event(self, line: int, event: Any, text: str, into: Collector) -> None:
        if not isinstance(event, dict):
            return
        if event.get("type") == "METADATA":
            self._learn(event.get("metric"), event.get("metadata"))
        elif event.get("type") == "LOG":
            self._log(line, event, text, into)

    def _learn(self, metric: Any, metadata: Any) -> None:
        if isinstance(metadata, dict) and len(self._units) < MAX_UNITS:
            self._units[str(metric)] = str(metadata.get("unit") or "")

    def _log(self, line: int, event: dict[str, Any], text: str, into: Collector) -> None:
        at = _place(event.get("step"))
        figures = _figures(event.get("data"))
        if at is None or not figures:
            into.skip(line, MARK + text, "a LOG record needs a step [epoch, iteration] and figures")
            return
        epoch, iteration = at
        into.line = line
        rank = count(figures.pop("rank", "0")) or 0
        into.claim(self.name)
        cells = {n: s if (v := number(s)) is None else v for n, s in figures.items()}
        values, unread = self._rows.read(cells, (*at, rank), MARK + text, into)
        for name, shown, _ in unread:
            into.skip(line, MARK + text, f"{name} {shown!r:.80} is not a number")
        place = Place(iteration, rank=rank, epoch=epoch)
        units = {series_name(name): self._units[name] for name in values if name in self._units}
        into.record(place, {series_name(n): v for n, v in values.items()}, units=units)


def _place(step: Any) -> tuple[int, int] | None:
    """Epoch and iteration of `[24, 97]`, or of a bare step."""
    parts = step if isinstance(step, list) else [step]
    whole = [count for part in parts if (count := json_count(part)) is not None]
    if not parts or len(whole) != len(parts):
        return None
    return (0, whole[0]) if len(whole) == 1 else (whole[0], whole[1])


def _figures(data: Any) -> dict[str, str]:
    if isinstance(data, dict):
        return {str(k): str(v) for k, v in data.items()}
    if isinstance(data, str):
        return {m["name"]: m["value"].strip().strip("'\"") for m in _PAIR.finditer(data)}
    return {}
