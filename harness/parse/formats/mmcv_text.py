"""The text log of mmcv's runners, before mmengine: means over the logging interval.

2021-08-01 12:00:00,123 - mmseg - INFO - Iter [50/40000]	lr: 9.989e-03, eta: 5:10:11, time: \
0.466, data_time: 0.010, memory: 10000, decode.loss_ce: 2.1000, loss: 3.1415
2021-08-01 12:00:00,123 - mmdet - INFO - Epoch [1][50/7330]	lr: 1.978e-03, loss: 1.2
2021-08-01 13:00:00,123 - mmseg - INFO - Iter(val) [500]	aAcc: 0.9512, mIoU: 0.7012
"""

from __future__ import annotations

import re

from harness.parse.averaged import Averaged, Value
from harness.parse.collect import Collector
from harness.parse.formats.mmengine_text import INSTANT, Fields, fields_of
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

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes one line of the text log."""
        if " - INFO - " not in line:
            return False
        heads = sorted(
            [*_LINE.finditer(line), *_VALIDATION.finditer(line)], key=lambda head: head.start()
        )
        ends = [*(head.start() for head in heads[1:]), len(line)]
        for head, end in zip(heads, ends, strict=False):
            of = "" if head.re is _LINE else "val."
            fields = fields_of(number, line[head.end() : end], _FIELD, into, prefix=of)
            if head.re is _LINE:
                self._train(number, head, fields, into)
            else:
                self._validation(fields, into)
        if not heads and (seed := _SEED.search(line)):
            into.fact("seed", int(seed["seed"]), line=number)
        return bool(heads)

    def close(self, into: Collector) -> None:
        """Hands over a line that stayed alone."""
        self._averaged.close(into)

    def _validation(self, fields: Fields, into: Collector) -> None:
        into.claim(self.name)
        for name, value in fields:
            into.record(f"val.{name}", rank=0, iteration=max(0, into.last_step), value=value)

    def _train(self, line: int, match: re.Match[str], fields: Fields, into: Collector) -> None:
        done, total = count(match["done"]), count(match["total"])
        epoch = count(match["epoch"] or "1")
        values: list[Value] = [(n, v, n not in INSTANT) for n, v in fields]
        if done is None or total is None or epoch is None or not values:
            into.skip(line, match[0], "a training line without figures")
            return
        averaged = (done, epoch)
        if match["epoch"]:
            done += (max(1, epoch) - 1) * total
        else:
            into.fact("planned_steps", total, line=line)
        into.claim(self.name)
        self._averaged.add(max(0, done - 1), values, into, done=averaged[0], epoch=averaged[1])
