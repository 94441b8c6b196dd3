"""JSON Lines of any program: an object a line with a step and numbers, nested once at most.

{"step": 3, "loss": 4.5, "lr": 0.001}
{"_step": 3, "train": {"loss": 4.5}}
"""

from __future__ import annotations

from typing import Any

from harness.parse.collect import Collector
from harness.parse.jsonlike import json_object
from harness.parse.names import EPOCHS, NO_SERIES, Names, step_key
from harness.parse.number import as_float, count
from harness.parse.rows import Rows, tell


class JsonLines:
    """Reads every number of an object as a series; steps are taken as they are written."""

    name = "json lines"
    example = '{"step": 3, "loss": 4.5, "lr": 0.001}'
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._rows = Rows()
        self._names = Names()

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes one line if it is an object with a step."""
        if not line.startswith("{") or '"' not in line or '"log_history"' in line:
            return False
        entry = json_object(number, line, into)
        if entry is None:
            return False
        flat = _flat(entry)
        key = step_key(list(flat))
        step = None if key is None or isinstance(flat[key], bool) else count(str(flat[key]))
        if step is None:
            if "loss" in flat:
                into.skip(number, line, "a loss without a step; expected step, iteration or iter")
            return False
        planned = flat.get("total_steps")
        if isinstance(planned, int) and planned > 0:
            into.fact("planned_steps", planned, line=number)
        epoch = next((flat[e] for e in EPOCHS if e in flat), 0)
        rank = count(str(flat.get("rank", 0))) or 0
        cells = {name: v for name, v in flat.items() if name != key and name not in NO_SERIES}
        figures, unread = self._rows.read(cells, (step, rank), line, into)
        tell(number, line, unread, into)
        self._names.learn(figures)
        for name, value in figures.items():
            into.record(
                self._names.of(name),
                rank=rank,
                iteration=step,
                epoch=_epoch(epoch),
                value=value,
            )
        if figures:
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


def _epoch(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    epoch = as_float(value) if number else 0.0
    return epoch if 0 <= epoch < float("inf") else 0.0
