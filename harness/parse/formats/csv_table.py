"""Tables with a heading: Lightning's `metrics.csv`, TensorBoard's download, any CSV with a step.

epoch,step,train_loss,val_loss
0,49,2.1,
run,rank,step,name,value               (this project's own tidy tables)
"Step","run a - loss","run b - loss"   (exports of trackers, with runs as columns)
"""

from __future__ import annotations

import csv

from harness.parse.collect import MAX_PARTS, Collector
from harness.parse.formats.exports import Column, by_run, is_mean, renamed
from harness.parse.line import Line, Place, records_of
from harness.parse.names import (
    EPOCHS,
    PHASES,
    Names,
    evaluation_of,
    holds_figures,
    is_loss,
    of_evaluation,
    step_key,
)
from harness.parse.number import count, number
from harness.parse.rows import Rows
from harness.parse.tokens import instead

DELIMITERS = (",", "\t", ";")
MAX_HEADING = 65_536
MEANS = (
    "points of this export are means over several logged ones, as __MIN and __MAX show; export the "
    "whole history (scan_history) to judge single steps"
)
_TIDY = {"name", "value"}


class CsvTable:
    """Reads a file whose first line, comments left out, names its columns. Blank cells say nothing.

    Steps are taken as they are written; the epoch is the step where no column counts steps.
    """

    name = "csv"
    example = "epoch,step,train_loss,val_loss"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._head: list[str] | None = None
        self._step = ""
        self._delimiter = ""
        self._looked = False
        self._torn = False
        self._means = False
        self._rows = {False: Rows(), True: Rows()}  # those of training, those of evaluations
        self._names = Names()
        self._named: set[str] = set()
        self._columns: dict[str, Column] = {}
        self._of_runs: dict[str, tuple[Rows, Names]] = {}

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes the heading and every row after it."""
        if self._head is None:
            text = line.text
            if not self._looked and not text.isspace() and not text.startswith("#"):
                self._looked = True
                return self._heading(text)
            return False
        if not line.text.isspace():
            self._row(line.number, line.text, into)
        return True

    def close(self, into: Collector) -> None:
        """Says what the range beside a value shows."""
        if self._means:
            for part in into.parts.values():
                part.note(MEANS)

    def _heading(self, line: str) -> bool:
        if not line.endswith("\n") or len(line) > MAX_HEADING:
            return False
        for delimiter in DELIMITERS:
            names = renamed([cell.strip() for cell in _cells(line, delimiter)])
            step = step_key(names) or next((e for e in EPOCHS if e in names), None)
            if len(names) > 1 and step is not None and not any(map(_is_number, names)):
                self._head, self._step, self._delimiter = names, step, delimiter
                self._names.learn(names)
                self._columns = by_run(names, step)
                return True
        return False

    def _row(self, line: int, text: str, into: Collector) -> None:
        assert self._head is not None  # noqa: S101  (the heading was read)
        cells = _cells(text, self._delimiter) if len(text) <= MAX_HEADING else []
        torn, self._torn = self._torn, False
        if len(cells) != len(self._head):
            self._torn = len(cells) < len(self._head) and text.lstrip()[0] in "0123456789.+-"
            into.skip(line, text, f"{len(cells)} cells under {len(self._head)} names")
            return
        if torn:
            into.skip(line, text, "it may be the rest of the row before it")
            return
        row = {name: cell.strip() for name, cell in zip(self._head, cells, strict=True)}
        places = {self._step, "rank", *EPOCHS, *(_TIDY if row.keys() >= _TIDY else ())}
        if not text.endswith("\n") and self._head[-1] in places:
            into.skip(line, text, f"the file ends inside {self._head[-1]}")
            return
        step = _step(row[self._step])
        if step is None:
            into.skip(line, text, f"its {self._step} is {row[self._step]!r:.40}; expected a number")
            return
        whole = text.endswith("\n")
        if not whole:
            into.skip(line, text, f"the file ends inside {self._head[-1]}")
            row[self._head[-1]] = ""
        if self._columns:
            self._exported(line, text, row, step, into)
        else:
            self._records(line, text, row, step, into, whole=whole)
        into.claim(self.name)

    def _exported(
        self, line: int, text: str, row: dict[str, str], step: int, into: Collector
    ) -> None:
        """Hands over the figures of each run; a run without any in this row was not logged then."""
        cells: dict[str, dict[str, object]] = {}
        for name, (run, figure) in self._columns.items():
            if row[name] and holds_figures(figure):
                self._means |= is_mean(row, name)
                value = number(row[name])
                cells.setdefault(run, {})[figure] = row[name] if value is None else value
        for run, figures in cells.items():
            to = into.part(run)
            if to is None:
                into.skip(line, text, f"more than {MAX_PARTS} runs")
                return
            rows, names = self._of_runs.setdefault(run, (Rows(), Names()))
            values, unread = rows.read(figures, step, text, to)
            for name, shown, _ in unread:
                to.skip(line, text, f"{name} {shown!r:.40} is not a number")
            names.learn(values)
            to.record(Place(step), {names.of(name): value for name, value in values.items()})

    def _records(
        self, line: int, text: str, row: dict[str, str], step: int, into: Collector, *, whole: bool
    ) -> None:
        """Hands over the figures of a row."""
        epoch = next((number(row[e]) for e in EPOCHS if e in row), None) or 0.0
        rank = count(row.get("rank", "0")) or 0
        run = row.get("run", "")
        tidy = row.keys() >= _TIDY
        evaluated = evaluation_of(row)
        row = {n: cell for n, cell in row.items() if n.lower() not in PHASES or _is_number(cell)}
        if tidy:
            row = {row["name"]: self._tidy(row, text, into)} if whole else {}
        cells = {
            name: cell if (value := number(cell)) is None else value
            for name, cell in row.items()
            if name not in {self._step, "run", ""} and holds_figures(name)
        }
        place = (step, rank, run, *(cells if tidy else ())) if whole else None
        figures, unread = self._rows[bool(evaluated)].read(cells, place, text, into)
        for name, shown, _ in unread:
            into.skip(line, text, f"{name} {shown!r:.40} is not a number")
        to = self._of_run(run, into)
        if to is None:
            into.skip(line, text, f"more than {MAX_PARTS} runs")
            return
        place = Place(step, rank=rank, epoch=max(0.0, epoch))
        series = [(self._series(n, evaluated), v) for n, v in figures.items()]
        for record in records_of(series):
            to.record(place, record)

    def _tidy(self, row: dict[str, str], text: str, into: Collector) -> str:
        """The value of a row that has one alone, `nan` for one that is no number."""
        name, cell = row["name"], row["value"]
        value = None if number(cell) is not None else instead(cell)
        if value is None or not (is_loss(name) or name in self._named):
            self._named |= {name} if number(cell) is not None else set()
            return cell
        into.odd(name, cell, value, text)
        return str(value)

    def _of_run(self, label: str, into: Collector) -> Collector | None:
        """What gathers the records of this run; `into` where the table names none."""
        assert self._head is not None  # noqa: S101  (the heading was read)
        return into.part(label) if "run" in self._head else into

    def _series(self, name: str, evaluated: str) -> str:
        name = "loss" if name in {"Value", "value"} else name
        return self._names.of(of_evaluation(name, evaluated) if evaluated else name)


def _cells(line: str, delimiter: str) -> list[str]:
    text = line.rstrip("\r\n")
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter))
    except (csv.Error, StopIteration):
        return []


def _is_number(cell: str) -> bool:
    return number(cell) is not None


def _step(cell: str) -> int | None:
    """The step in a cell; pandas writes whole columns with gaps as `12.0`."""
    return count(cell.removesuffix(".0"))
