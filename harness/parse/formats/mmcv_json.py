"""mmcv's `.log.json`: one JSON object a line, the first with the environment.

{"env_info": "sys.platform: linux ...", "seed": 0, "exp_name": "ccnet.py"}
{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.00999, "memory": 9000, "loss": 3.14, "time": 0.4}
{"mode": "val", "epoch": 1, "iter": 500, "lr": 0.0098, "mIoU": 0.7012}
"""

from __future__ import annotations

from typing import Any

from harness.log.fact_table import aliases
from harness.parse.averaged import Averaged
from harness.parse.collect import Collector
from harness.parse.formats.mmengine_text import INSTANT
from harness.parse.grammar.layout import TIMES
from harness.parse.jsonlike import json_object
from harness.parse.line import Line, Place
from harness.parse.number import json_counter
from harness.parse.rows import Rows, tell

_FACTS = aliases("mmcv_json")
_PLACES = frozenset({"mode", "epoch", "iter", "step"})


class MmcvJson:
    """Reads training entries as window means of rank 0, validation entries as `val.` series."""

    name = "mmcv .log.json"
    example = '{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.00999, "loss": 3.14}'
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._averaged = Averaged()
        self._rows = {True: Rows(), False: Rows()}
        self._epoch = 1
        self._last = -1
        self._offset = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes one line if it is such an object."""
        text = line.spelled
        if not text.startswith("{") or not ('"mode"' in text or '"env_info"' in text):
            return False
        entry = json_object(line, into)
        if entry is None:
            return False
        if "mode" in entry and "iter" not in entry and self._last < 0:
            return False  # other programs name the phase by `mode` beside a `step`
        if "mode" not in entry:
            for key, name in _FACTS.items():
                if isinstance(entry.get(key), int):
                    into.fact(name, entry[key], line=line.number)
            return "env_info" in entry
        self._entry(line.number, text, entry, into)
        return True

    def close(self, into: Collector) -> None:
        """Hands over an entry that stayed alone."""
        self._averaged.close(into)

    def _entry(self, line: int, text: str, entry: dict[str, Any], into: Collector) -> None:
        done, epoch = json_counter(entry.get("iter")), json_counter(entry.get("epoch", 1))
        cells = {name: value for name, value in entry.items() if name not in _PLACES}
        rows, place = self._rows[entry["mode"] == "train"], (epoch, done)
        figures, unread = rows.read(cells, place if done is not None else None, text, into)
        tell(line, text, unread, into)
        if entry["mode"] != "train":
            into.claim(self.name)
            left_out = INSTANT | TIMES
            values = {f"val.{n}": v for n, v in figures.items() if n not in left_out}
            into.record(Place(0, after_last=True), values)
            return
        if done is None or epoch is None or not figures:
            into.skip(line, text, "a training entry without iter or figures")
            return
        into.claim(self.name)
        step = max(0, self._unrolled(epoch, done) - 1)
        self._averaged.add(step, figures, into, done=done, epoch=epoch, instant=INSTANT)

    def _unrolled(self, epoch: int, done: int) -> int:
        """Finished iterations over the whole run; `iter` of an epoch runner restarts."""
        if epoch > self._epoch and done <= self._last:
            self._offset += self._last
        self._epoch, self._last = epoch, done
        return self._offset + done
