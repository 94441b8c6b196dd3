"""mmengine's `vis_data/scalars.json`: one JSON object per line.

{"lr": 0.0099891, "data_time": 0.0418, "loss": 2.1715, "time": 0.1278, "iter": 50, "step": 50}
{"mIoU": 33.333, "aAcc": 55.0, "data_time": 0.0007, "time": 0.001, "step": 4000}
"""

from __future__ import annotations

from typing import Any

from harness.parse.collect import Collector
from harness.parse.formats.mmengine_text import INSTANT
from harness.parse.jsonlike import json_object
from harness.parse.number import count
from harness.parse.rows import Rows, tell

_COUNTERS = frozenset({"iter", "step", "epoch"})


class ScalarsJson:
    """Reads the objects that hold `step`: training ones have `iter` too, validation ones not."""

    name = "scalars.json"
    example = '{"lr": 0.0099891, "loss": 2.1715, "time": 0.1278, "iter": 50, "step": 50}'
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._training = False
        self._rows = {True: Rows(), False: Rows()}

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes one line if it is such an object."""
        if not line.startswith("{") or '"step"' not in line or '"log_history"' in line:
            return False
        if not (self._training or '"iter"' in line):
            return False
        entry = json_object(number, line, into)
        if entry is None:
            return False
        step = entry.get("step")
        if isinstance(step, bool) or count(str(step)) is None:
            into.skip(number, line, f"its step is {step!r}; expected a whole number")
            return True
        self._training = True
        self._entry(number, line, entry, int(step or 0), into)
        into.claim(self.name)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _entry(
        self, line: int, text: str, entry: dict[str, Any], finished: int, into: Collector
    ) -> None:
        training = "iter" in entry
        step = max(0, finished - 1)
        cells = {name: value for name, value in entry.items() if name not in _COUNTERS}
        figures, unread = self._rows[training].read(cells, step, text, into)
        tell(line, text, unread, into)
        for name, value in figures.items():
            if training:
                window = 1 if name in INSTANT else into.window
                into.record(name, rank=0, iteration=step, value=value, window=window)
            elif name not in {"time", "data_time"}:
                into.record(f"val.{name}", rank=0, iteration=step, value=value)
