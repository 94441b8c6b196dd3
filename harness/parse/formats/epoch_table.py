"""Tables that programs print on the screen, a row an epoch, under a heading of names.

      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size               (Ultralytics)
        1/100      2.61G      1.153      1.398         81        640: 100%|####| 8/8 [00:03<00:00]
epoch     train_loss  valid_loss  accuracy  time                                 (fastai, skorch)
0         0.750000    0.500000    0.625000  00:12
epoch       iteration   main/loss   validation/main/loss                         (Chainer, ESPnet)
1           100         2.5
E    #       LOSS NER  ENTS_F  SCORE                                             (spaCy)
---  ------  --------  ------  ------
  0     200     45.50    0.10    0.00
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.damage import number_or_word
from harness.parse.formats.table_heads import Heading, heading, ruled
from harness.parse.line import Line, Place
from harness.parse.names import Names, holds_figures, is_loss
from harness.parse.number import count

MAX_LINE = 1000
NOT_MEASURED = frozenset(
    {"gpu_mem", "instances", "labels", "size", "img_size", "dur", "targets", "cp", "train/val"}
    | {"epoch", "e", "iteration", "#"}
)
"""Columns, in small letters, of counters, times, sizes and counts of samples."""
COUNTERS = ("iteration", "#")
"""Columns, in small letters, that count steps over the whole training."""
PARTS = frozenset({"box", "obj", "cls"})
"""Columns of YOLOv5 that are losses without the word."""

_HEAD = re.compile(r"\s{0,20}epoch(?:\s{1,20}[A-Za-z_][\w/.+-]{0,40}){2,40}\s*$", re.ASCII | re.I)
_RESULTS = re.compile(r"\s{0,40}Class\s{1,20}Images\s{1,20}(?:Instances|Labels)\s", re.ASCII)
_BAR = re.compile(r":\s{0,8}(?P<part>\d{1,3})%[^\d]{0,200}(?P<done>\d{1,9})/(?P<total>\d{1,9})\b")
_EPOCH = re.compile(r"\s{0,20}(?P<epoch>\d{1,9})(?:/\d{1,9})?(?=\s)", re.ASCII)
_RULE = re.compile(r"[-\s]{3,1000}")
_NAMED = re.compile(r"\s{0,20}(?:epoch|E|#)(?=\s)(?![^\n]{0,1000}\s[\d.+-]*\d)", re.ASCII)
"""How a heading begins whose names may have several words; a word of it may end in a digit."""


class EpochTable:
    """Reads the rows under a heading that begins with `epoch` and names a loss.

    A row with a bar holds means since the start of the epoch. It is read where the bar is full,
    and its step is the number of batches since the first epoch. A row without a bar is at the
    iteration that it states, else at its epoch. The results of a validation behind it are those of
    the same step.
    """

    name = "epoch table"
    example = "epoch     train_loss  valid_loss  accuracy  time"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._head = Heading((), ())
        self._above = ""
        self._results: list[str] = []
        self._names = Names()
        self._first = -1
        self._step = -1

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a heading, a row under it, or the results of a validation."""
        text = line.text
        if len(text) > MAX_LINE:
            return False
        above, self._above = self._above, text if _NAMED.match(text) else ""
        under = ruled(above.rstrip("\n"), text) if above and "-" in text else None
        if under is not None:
            return self._heading(under)
        if _HEAD.match(text):
            return self._heading(heading(text))
        return bool(self._head.names) and self._below(line, into)

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _below(self, line: Line, into: Collector) -> bool:
        """Takes a line below a heading."""
        text = line.text
        row = _EPOCH.match(text)
        if row is not None:
            return self._row(line, row, into)
        if _RESULTS.match(text):
            self._results = _result_names(text)
            return True
        if self._results and text.split(maxsplit=1)[:1] == ["all"]:
            return self._result(line, into)
        return bool(_RULE.fullmatch(text)) and "-" in text

    def _heading(self, head: Heading) -> bool:
        if not any(is_loss(name) or name in PARTS for name in head.names):
            return False
        self._head, self._results = head, []
        self._names.learn([self._called(name) for name in head.names if _is_figure(name)])
        return True

    def _called(self, name: str) -> str:
        """A column without the name that Chainer gives to the model.

        spaCy's table has a column `#`, and its losses beside the scores of an evaluation.
        """
        name = name.replace("main/", "", 1)
        scored = "#" in self._head.names and not is_loss(name)
        return f"val/{name}" if scored else name

    def _row(self, line: Line, row: re.Match[str], into: Collector) -> bool:
        """Takes a row if it has a cell for each name, and its bar is full."""
        text = line.text
        bar = _BAR.search(text)
        cells = self._head.cells(text if bar is None else text[: bar.start()])
        epoch = count(row["epoch"])
        if cells is None or epoch is None:
            return False
        if not line.whole:
            into.skip(line.number, text, "the log ends inside this row")
            return True
        if bar is not None and bar["done"] != bar["total"]:
            return True
        values = self._figures(text, cells, into)
        window = 1 if bar is None else max(1, int(bar["total"]))
        self._first = min(epoch, 1) if self._first < 0 else self._first
        counted = next((n for n in cells if n.lower() in COUNTERS), None)
        if counted is not None and count(cells[counted]) is None:
            return False
        stated = epoch if counted is None else count(cells[counted]) or 0
        self._step = stated if bar is None else (max(0, epoch - self._first) + 1) * window
        trained = {n: v for n, v in values.items() if not n.startswith("val.")}
        into.claim(self.name)
        into.record(Place(self._step, window=window), trained)
        into.record(Place(self._step), {n: v for n, v in values.items() if n not in trained})
        return True

    def _figures(self, text: str, cells: dict[str, str], into: Collector) -> dict[str, float]:
        """The figures of a row by the names of their series."""
        values = {}
        for name, cell in cells.items():
            if _is_figure(name):
                series = self._names.of(self._called(name))
                value = number_or_word(series, cell, text, into)
                if value is None:
                    into.skip(into.line, text, f"{name} {cell!r:.40} is not a number")
                else:
                    values[series] = value
        return values

    def _result(self, line: Line, into: Collector) -> bool:
        """Takes the results over all classes."""
        cells = line.text.split()[-len(self._results) :]
        if self._step < 0 or not line.whole or len(cells) != len(self._results):
            return False
        values = {}
        for name, cell in zip(self._results, cells, strict=True):
            value = number_or_word(name, cell, line.text, into)
            if value is not None:
                values[name] = value
        into.record(Place(self._step), values)
        return True


def _is_figure(name: str) -> bool:
    low = name.lower()
    return low not in NOT_MEASURED and holds_figures(name)


def _result_names(text: str) -> list[str]:
    """The series of the columns behind `Class Images Instances`: `Box(P R mAP50 mAP50-95)`."""
    head = text.partition(": ")[0]
    names = head.replace("(", " ").replace(")", " ").split()[3:]
    return [f"val.{name.rstrip(':')}" for name in names if name not in {"Box", "Mask", "Pose"}]
