"""mmengine's `vis_data/scalars.json`: one JSON object per line.

{"lr": 0.0099891, "data_time": 0.0418, "loss": 2.1715, "time": 0.1278, "iter": 50, "step": 50}
{"mIoU": 33.333, "aAcc": 55.0, "data_time": 0.0007, "time": 0.001, "step": 4000}
"""

from __future__ import annotations

from typing import Any

from harness.parse.collect import Collector
from harness.parse.formats.mmengine_text import INSTANT
from harness.parse.grammar.layout import TIMES
from harness.parse.jsonlike import json_object
from harness.parse.line import Line, Place
from harness.parse.number import json_counter
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

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes one line if it is such an object."""
        text = line.spelled
        if not text.startswith("{") or '"step"' not in text or '"log_history"' in text:
            return False
        if not (self._training or '"iter"' in text):
            return False
        entry = json_object(line, into)
        if entry is None:
            return False
        step = json_counter(entry.get("step"))
        if step is None:
            reason = f"its step is {entry.get('step')!r}; expected a whole number"
            into.skip(line.number, text, reason)
            return True
        self._training = True
        self._entry(line.number, text, entry, step, into)
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
        if training:
            into.record(Place(step, window=into.window), figures, instant=INSTANT)
            return
        into.record(Place(step), {f"val.{n}": v for n, v in figures.items() if n not in TIMES})
