"""mmengine's `vis_data/scalars.json`: one JSON object per line.

{"lr": 0.0099891, "data_time": 0.0418, "loss": 2.1715, "time": 0.1278, "iter": 50, "step": 50}
{"mIoU": 33.333, "aAcc": 55.0, "data_time": 0.0007, "time": 0.001, "step": 4000}
"""

from __future__ import annotations

import json
from typing import Any

from harness.parse.collect import Collector
from harness.parse.mmengine_text import INSTANT

_COUNTERS = frozenset({"iter", "step", "epoch"})


class ScalarsJson:
    """Reads the objects that hold `step`: training ones have `iter` too, validation ones not."""

    name = "scalars.json"
    example = '{"lr": 0.0099891, "loss": 2.1715, "time": 0.1278, "iter": 50, "step": 50}'

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes one line if it is such an object."""
        if not line.startswith("{") or '"step"' not in line:
            return False
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            into.skip(number, line, "starts like a JSON object and is none")
            return False
        if not isinstance(entry, dict) or not isinstance(entry.get("step"), int):
            return False
        self._entry(entry, into)
        into.claim(self.name)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _entry(self, entry: dict[str, Any], into: Collector) -> None:
        training = "iter" in entry
        for name, value in entry.items():
            if name in _COUNTERS or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if training:
                window = 1 if name in INSTANT else into.window
                into.record(
                    name, rank=0, iteration=entry["step"] - 1, value=float(value), window=window
                )
            elif name not in {"time", "data_time"}:
                step = max(0, entry["step"] - 1)
                into.record(f"val.{name}", rank=0, iteration=step, value=float(value))
