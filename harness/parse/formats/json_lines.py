"""JSON Lines of any program: an object a line with a step and numbers, nested once at most.

{"step": 3, "loss": 4.5, "lr": 0.001}
{"_step": 3, "train": {"loss": 4.5}}
"""

from __future__ import annotations

from typing import Any

from harness.log.fact_table import aliases
from harness.parse.collect import Collector
from harness.parse.jsonlike import json_object
from harness.parse.line import Line, Place
from harness.parse.names import EPOCHS, NO_SERIES, Names, step_key
from harness.parse.number import json_counter, json_epoch
from harness.parse.rows import Rows, tell

_FACTS = aliases("json_lines")


class JsonLines:
    """Reads every number of an object as a series; steps are taken as they are written."""

    name = "json lines"
    example = '{"step": 3, "loss": 4.5, "lr": 0.001}'
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._rows = Rows()
        self._names = Names()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes one line if it is an object with a step."""
        text = line.spelled
        if not text.startswith("{") or '"' not in text or '"log_history"' in text:
            return False
        entry = json_object(line, into)
        if entry is None:
            return False
        flat = _flat(entry)
        key = step_key(list(flat))
        place = _place(flat, key)
        if place is None:
            if "loss" in flat:
                into.skip(
                    line.number, text, "a loss without a step; expected step, iteration or iter"
                )
            return False
        for name in _FACTS.keys() & flat.keys():
            if isinstance(flat[name], int) and flat[name] > 0:
                into.fact(_FACTS[name], flat[name], line=line.number)
        cells = {name: v for name, v in flat.items() if name != key and name not in NO_SERIES}
        figures, unread = self._rows.read(cells, (place.iteration, place.rank), text, into)
        tell(line.number, text, unread, into)
        self._names.learn(figures)
        if figures:
            named = {self._names.of(name): value for name, value in figures.items()}
            into.record(place, named)
            into.claim(self.name)
        return bool(figures)

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with objects inside it folded into `outer/inner`."""
    flat: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": v for inner, v in value.items()}
        else:
            flat[str(name)] = value
    return flat


def _place(flat: dict[str, Any], key: str | None) -> Place | None:
    """The place that an entry states, its step under `key`; None without a step."""
    step = None if key is None else json_counter(flat[key])
    if step is None:
        return None
    epoch = next((flat[name] for name in EPOCHS if name in flat), 0)
    return Place(step, rank=json_counter(flat.get("rank")) or 0, epoch=json_epoch(epoch))
