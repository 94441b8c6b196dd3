"""Tables that programs print on the screen, a row an epoch, under a heading of names.

      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size               (Ultralytics)
        1/100      2.61G      1.153      1.398         81        640: 100%|####| 8/8 [00:03<00:00]
epoch     train_loss  valid_loss  accuracy  time                                 (fastai, skorch)
0         0.750000    0.500000    0.625000  00:12
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.damage import number_or_word
from harness.parse.line import Line, Place
from harness.parse.names import Names, holds_figures, is_loss
from harness.parse.number import count

MAX_LINE = 1000
NOT_MEASURED = frozenset({"gpu_mem", "instances", "labels", "size", "img_size", "dur", "targets"})
"""Columns, in small letters, of times, sizes and counts of samples."""
PARTS = frozenset({"box", "obj", "cls"})
"""Columns of YOLOv5 that are losses without the word."""

_HEAD = re.compile(r"\s{0,20}epoch(?:\s{1,20}[A-Za-z_][\w/.+-]{0,40}){2,40}\s*$", re.ASCII | re.I)
_RESULTS = re.compile(r"\s{0,40}Class\s{1,20}Images\s{1,20}(?:Instances|Labels)\s", re.ASCII)
_BAR = re.compile(r":\s{0,8}(?P<part>\d{1,3})%[^\d]{0,200}(?P<done>\d{1,9})/(?P<total>\d{1,9})\b")
_EPOCH = re.compile(r"\s{0,20}(?P<epoch>\d{1,9})(?:/\d{1,9})?(?=\s)", re.ASCII)
_RULE = re.compile(r"[-\s]{3,1000}")


class EpochTable:
    """Reads the rows under a heading that begins with `epoch` and names a loss.

    A row with a bar holds means since the start of the epoch. It is read where the bar is full,
    and its step is the number of batches since the first epoch. A row without a bar is at its
    epoch. The results of a validation behind it are those of the same step.
    """

    name = "epoch table"
    example = "epoch     train_loss  valid_loss  accuracy  time"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._results: list[str] = []
        self._names = Names()
        self._first = -1
        self._step = -1

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a heading, a row under it, or the results of a validation."""
        text = line.text
        if len(text) > MAX_LINE:
            return False
        if _HEAD.match(text):
            return self._heading(text)
        return bool(self._columns) and self._below(line, into)

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

    def _heading(self, text: str) -> bool:
        columns = text.split()
        if not any(is_loss(name) or name in PARTS for name in columns):
            return False
        self._columns, self._results = columns, []
        self._names.learn([name for name in columns if _is_figure(name)])
        return True

    def _row(self, line: Line, row: re.Match[str], into: Collector) -> bool:
        """Takes a row if it has a cell for each name, and its bar is full."""
        text = line.text
        bar = _BAR.search(text)
        cells = (text if bar is None else text[: bar.start()]).split()
        epoch = count(row["epoch"])
        if len(cells) != len(self._columns) or epoch is None:
            return False
        if not line.whole:
            into.skip(line.number, text, "the log ends inside this row")
            return True
        if bar is not None and bar["done"] != bar["total"]:
            return True
        values = self._figures(text, cells, into)
        window = 1 if bar is None else max(1, int(bar["total"]))
        self._first = min(epoch, 1) if self._first < 0 else self._first
        self._step = epoch if bar is None else (max(0, epoch - self._first) + 1) * window
        trained = {n: v for n, v in values.items() if not n.startswith("val.")}
        into.claim(self.name)
        into.record(Place(self._step, window=window), trained)
        into.record(Place(self._step), {n: v for n, v in values.items() if n not in trained})
        return True

    def _figures(self, text: str, cells: list[str], into: Collector) -> dict[str, float]:
        """The figures of a row by the names of their series."""
        values = {}
        for name, cell in zip(self._columns, cells, strict=True):
            if _is_figure(name):
                series = self._names.of(name)
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
    return low not in NOT_MEASURED and holds_figures(name) and low != "epoch"


def _result_names(text: str) -> list[str]:
    """The series of the columns behind `Class Images Instances`: `Box(P R mAP50 mAP50-95)`."""
    head = text.partition(": ")[0]
    names = head.replace("(", " ").replace(")", " ").split()[3:]
    return [f"val.{name.rstrip(':')}" for name in names if name not in {"Box", "Mask", "Pose"}]
