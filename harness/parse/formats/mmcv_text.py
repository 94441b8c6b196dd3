"""The text log of mmcv's runners, before mmengine: means over the logging interval.

2021-08-01 12:00:00,123 - mmseg - INFO - Iter [50/40000]	lr: 9.989e-03, eta: 5:10:11, time: \
0.466, data_time: 0.010, memory: 10000, decode.loss_ce: 2.1000, loss: 3.1415
2021-08-01 12:00:00,123 - mmdet - INFO - Epoch [1][50/7330]	lr: 1.978e-03, loss: 1.2
2021-08-01 13:00:00,123 - mmseg - INFO - Iter(val) [500]	aAcc: 0.9512, mIoU: 0.7012
"""

from __future__ import annotations

import re

from harness.parse.averaged import Averaged
from harness.parse.collect import Collector
from harness.parse.formats.mmengine_text import INSTANT, fields_of
from harness.parse.line import Fields, Line, Place, records_of
from harness.parse.number import count

_LINE = re.compile(
    r" - (?:Iter|Epoch(?: \[(?P<epoch>\d+)\])?) ?\[(?P<done>\d+)/(?P<total>\d+)\]\s",
    re.ASCII,
)
_VALIDATION = re.compile(r" - (?:Iter|Epoch)\(val\) \[[\d\]\[/]{1,40}\]\s", re.ASCII)
_FIELD = re.compile(
    r"(?<![\w./-])(?P<name>[A-Za-z_][\w./-]{0,80}):(?: (?P<value>[^,\s]*)|(?=[,\s]))", re.ASCII
)
_SEED = re.compile(r"Set random seed to (?P<seed>\d{1,18})[,\s]", re.ASCII)


class MmcvText:
    """Reads training lines as window means of rank 0, validation lines as `val.` series.

    `[50/40000]` counts finished iterations, so the line speaks of step 49.
    """

    name = "mmcv"
    example = (
        "2021-08-01 12:00:00,123 - mmseg - INFO - Iter [50/40000]\tlr: 9.989e-03, eta: 5:10:11, "
        "time: 0.466, data_time: 0.010, memory: 10000, loss: 3.1415"
    )
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._averaged = Averaged()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes one line of the text log."""
        number, text = line.number, line.text
        if " - INFO - " not in text:
            return False
        heads = sorted(
            [*_LINE.finditer(text), *_VALIDATION.finditer(text)], key=lambda head: head.start()
        )
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for head, end in zip(heads, ends, strict=False):
            of = "" if head.re is _LINE else "val."
            fields = fields_of(number, text[head.end() : end], _FIELD, into, prefix=of)
            if head.re is _LINE:
                self._train(number, head, fields, into)
            else:
                self._validation(fields, into)
        if not heads and (seed := _SEED.search(text)):
            into.fact("seed", int(seed["seed"]), line=number)
        return bool(heads)

    def close(self, into: Collector) -> None:
        """Hands over a line that stayed alone."""
        self._averaged.close(into)

    def _validation(self, fields: Fields, into: Collector) -> None:
        into.claim(self.name)
        for record in records_of(fields):
            into.record(Place(0, after_last=True), {f"val.{n}": v for n, v in record.items()})

    def _train(self, line: int, match: re.Match[str], fields: Fields, into: Collector) -> None:
        done, total = count(match["done"]), count(match["total"])
        epoch = count(match["epoch"] or "1")
        if done is None or total is None or epoch is None or not fields:
            into.skip(line, match[0], "a training line without figures")
            return
        in_epoch = done
        if match["epoch"]:
            done += (max(1, epoch) - 1) * total
        else:
            into.fact("planned_steps", total, line=line)
        into.claim(self.name)
        for record in records_of(fields):
            self._averaged.add(
                max(0, done - 1), record, into, done=in_epoch, epoch=epoch, instant=INSTANT
            )
