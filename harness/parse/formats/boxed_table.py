"""Boxes of two columns, one a record: names and numbers between rules of dashes.

---------------------------------
| train/               |        |        (Stable-Baselines3)
|    loss              | 0.5    |
| time/                |        |
|    total_timesteps   | 2048   |
---------------------------------
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.damage import number_or_word
from harness.parse.line import Line, Place
from harness.parse.names import Names, holds_figures, is_loss
from harness.parse.number import number

MAX_LINE = 400
MAX_ROWS = 1000
"""Rows of one box."""
MAX_BOXES = 100
"""Boxes without a loss that are kept until one has it."""
COUNTERS = (
    *("total_timesteps", "total timesteps", "totalenvinteracts", "totalenvsteps", "timesteps"),
    *("num_timesteps", "steps", "step", "iteration", "iterations", "itr", "epoch"),
)
"""Names, in small letters and without their group, that count steps; the likeliest first."""
NOT_MEASURED = frozenset(
    {"fps", "time_elapsed", "serial_timesteps", "n_updates", "nupdates", "episodes", "time"}
    | {*COUNTERS}
)
"""Names, in small letters and without their group, of counters, times and speeds."""

_RULE = re.compile(r"\s{0,8}[-+]{8,200}\s*$", re.ASCII)
_ROW = re.compile(
    r"\s{0,8}\|(?P<indent>\s{1,80})(?P<name>[A-Za-z][^|\n]{0,100}?)\s{0,100}"
    r"\|\s{0,100}(?P<value>[^|\n]{0,100}?)\s{0,100}\|\s*$",
    re.ASCII,
)


class BoxedTable:
    """Reads boxes that state a counter; those before the first box with a loss as well."""

    name = "boxed table"
    example = "|    loss                 | 6.5          |"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, str]] = {}
        self._group = ""
        self._waiting: list[dict[str, tuple[str, str]]] = []
        self._has_loss = False
        self._names = Names()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes the rows of a box, and the rule that ends it."""
        text = line.text
        if len(text) > MAX_LINE:
            return False
        if _RULE.match(text):
            rows, self._rows, self._group = self._rows, {}, ""
            if rows:
                self._box(rows, into)
            return bool(rows)
        row = _ROW.match(text)
        if row is None or len(self._rows) >= MAX_ROWS:
            self._rows, self._group = {}, ""
            return False
        self._row(row, text)
        return True

    def close(self, into: Collector) -> None:
        """Shows a box that the log cuts off."""
        if self._rows and self._has_loss:
            text = next(reversed(self._rows.values()))[1]
            into.skip(into.line, text, "the log ends inside this box")

    def _row(self, row: re.Match[str], text: str) -> None:
        name = row["name"]
        if name.endswith("/") and not row["value"]:
            self._group = name
            return
        grouped = self._group and len(row["indent"]) > 1
        self._rows[self._group + name if grouped else name] = row["value"], text

    def _box(self, rows: dict[str, tuple[str, str]], into: Collector) -> None:
        """Hands a box over, or keeps it until a box has a loss."""
        self._has_loss = self._has_loss or any(map(is_loss, rows))
        if not self._has_loss:
            self._waiting = [*self._waiting, rows][-MAX_BOXES:]
            return
        for box in (*self._waiting, rows):
            self._record(box, into)
        self._waiting = []

    def _record(self, rows: dict[str, tuple[str, str]], into: Collector) -> None:
        step = _step(rows)
        if step is None:
            into.skip(into.line, next(iter(rows.values()))[1], "a box of figures without a counter")
            return
        kept = [name for name in rows if _is_figure(name)]
        self._names.learn(kept)
        figures = {}
        for name in kept:
            shown, text = rows[name]
            value = number_or_word(name, shown, text, into)
            if value is not None:
                figures[self._names.of(name)] = value
        if figures:
            into.claim(self.name)
            into.record(Place(step), figures)


def _step(rows: dict[str, tuple[str, str]]) -> int | None:
    """The step that a box states."""
    bare = {_bare(name): shown for name, (shown, _) in rows.items()}
    stated = (number(bare[name]) for name in COUNTERS if name in bare)
    step = next((value for value in stated if value is not None), None)
    return int(step) if step is not None and 0 <= step < float("inf") else None


def _is_figure(name: str) -> bool:
    return not name.startswith("time/") and _bare(name) not in NOT_MEASURED and holds_figures(name)


def _bare(name: str) -> str:
    """A name in small letters without its group."""
    return name.rpartition("/")[2].lower()
