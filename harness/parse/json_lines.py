"""JSON Lines of any program: an object a line with a step and numbers, nested once at most.

{"step": 3, "loss": 4.5, "lr": 0.001}
{"_step": 3, "train": {"loss": 4.5}}
"""

from __future__ import annotations

from typing import Any

from harness.parse.collect import Collector
from harness.parse.jsonlike import json_object
from harness.parse.names import EPOCHS, NO_SERIES, canonical, step_key
from harness.parse.number import count
from harness.parse.scalars_json import as_float


class JsonLines:
    """Reads every number of an object as a series; steps are taken as they are written."""

    name = "json lines"
    example = '{"step": 3, "loss": 4.5, "lr": 0.001}'
    fallback = False
    long_lines = False

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
        epoch = next((flat[e] for e in EPOCHS if e in flat), 0)
        rank = count(str(flat.get("rank", 0))) or 0
        found = False
        for name, value in flat.items():
            if name == key or name in NO_SERIES or isinstance(value, bool):
                continue
            if isinstance(value, int | float):
                found = True
                into.record(
                    canonical(name),
                    rank=rank,
                    iteration=step,
                    epoch=_epoch(epoch),
                    value=as_float(value),
                )
        if found:
            into.claim(self.name)
        return found

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
