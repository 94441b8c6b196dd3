"""`trainer_state.json` of Hugging Face's Trainer: one JSON document, pretty-printed or on a line.

{"global_step": 20, "log_history": [{"epoch": 0.1, "loss": 1.2, "step": 10}], "logging_steps": 10}
"""

from __future__ import annotations

import json
import re
from typing import Any

from harness.log.fact_table import aliases
from harness.parse.averaged import Averaged
from harness.parse.collect import Collector
from harness.parse.jsonlike import loads
from harness.parse.line import Line, Place
from harness.parse.names import NO_SERIES, Names
from harness.parse.number import json_count
from harness.parse.rows import Rows, tell

_HISTORY = '"log_history"'
_FACTS = aliases("hf_state")
_SETTING = re.compile(
    rf'\s*"(?P<name>{"|".join(_FACTS)}|logging_steps)": (?P<value>\d{{1,9}})[,\s]'
)
_INSTANT = frozenset({"lr", "grad_norm"})
MAX_ENTRY_LINES = 1000


class HfState:
    """Reads the entries of the history one by one. Steps count finished ones, from 1."""

    name = "hf-trainer state"
    example = '{"global_step": 20, "log_history": [{"epoch": 0.1, "loss": 1.2, "step": 10}]}'
    fallback = False
    long_lines = True

    def __init__(self) -> None:
        self._averaged = Averaged()
        self._rows = Rows()
        self._names = Names()
        self._document = False
        self._inside = False
        self._entry: list[str] = []
        self._first = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes the lines of such a document."""
        number, text = line.number, line.spelled.strip()
        if not self._inside and _HISTORY in text:
            return self._begin(number, text, into)
        if self._inside:
            self._line(number, text, into)
            return True
        if self._document and (match := _SETTING.match(line.spelled)):
            self._setting(match["name"], int(match["value"]), number, into)
            return True
        if text == "{" and not self._document and number == 1:
            self._document = True
            return True
        return self._document and text.startswith(('"', "}"))

    def close(self, into: Collector) -> None:
        """An entry that the end of the file cuts off is reported."""
        if self._entry:
            into.skip(self._first, self._entry[0], "the file ends inside this entry")
        elif self._inside:
            into.note(
                "the document ends inside its log_history: it was cut off, or is being written"
            )
        self._averaged.close(into)

    def _begin(self, number: int, text: str, into: Collector) -> bool:
        if text.startswith(_HISTORY):
            self._inside = self._document and not text.rstrip(",").endswith("]")
            return self._document
        if not text.startswith("{"):
            return False
        document = _document(text)
        history = document.get("log_history") if isinstance(document, dict) else None
        if history is None:
            into.skip(number, text, "starts like a trainer_state.json and is none")
            return False
        if isinstance(history, list):
            for entry in history:
                self._take(number, entry, into)
        for name in _FACTS:
            self._setting(name, document.get(name), number, into)
        return True

    def _line(self, number: int, text: str, into: Collector) -> None:
        """One line inside the history: entries open and close with a brace of their own."""
        if not self._entry and text.startswith("]"):
            self._inside = False
        elif text.startswith("{") or self._entry:
            self._first = self._first if self._entry else number
            self._entry.append(text)
            if text.rstrip(",").endswith("}") or len(self._entry) > MAX_ENTRY_LINES:
                joined, self._entry = "".join(self._entry).rstrip(","), []
                entry = loads(joined)
                if entry is None:
                    into.skip(self._first, joined, "an entry of log_history that is no JSON")
                else:
                    self._take(self._first, entry, into)

    def _take(self, line: int, entry: Any, into: Collector) -> None:
        step = json_count(entry.get("step")) if isinstance(entry, dict) else None
        if step is None:
            into.skip(line, repr(entry), "an entry of log_history without a step")
            return
        cells = {n: v for n, v in entry.items() if n not in NO_SERIES and n != "step"}
        into.line = line
        read, unread = self._rows.read(cells, step, repr(entry), into)
        tell(line, repr(entry), unread, into)
        self._names.learn(read)
        figures = {self._names.of(name): value for name, value in read.items()}
        into.claim(self.name)
        if "loss" in figures:
            self._averaged.add(step, figures, into, done=step, instant=_INSTANT)
        else:
            into.record(Place(step), {n: v for n, v in figures.items() if n.startswith("val.")})

    def _setting(self, name: str, value: Any, line: int, into: Collector) -> None:
        if name in _FACTS and isinstance(value, int) and value > 0:
            into.fact(_FACTS[name], value, line=line)


def _document(text: str) -> Any:
    """A whole document on one line, of whatever length; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return loads(text)
