"""The text log of mmcv's runners, before mmengine: means over the logging interval.

2021-08-01 12:00:00,123 - mmseg - INFO - Iter [50/40000]	lr: 9.989e-03, eta: 5:10:11, time: \
0.466, data_time: 0.010, memory: 10000, decode.loss_ce: 2.1000, loss: 3.1415
2021-08-01 12:00:00,123 - mmdet - INFO - Epoch [1][50/7330]	lr: 1.978e-03, loss: 1.2
2021-08-01 13:00:00,123 - mmseg - INFO - Iter(val) [500]	aAcc: 0.9512, mIoU: 0.7012
"""

from __future__ import annotations

import re

from harness.parse.formats.mmengine_text import INSTANT, LEFT_OUT
from harness.parse.grammar.fields import Parted
from harness.parse.grammar.headed import Headed
from harness.parse.grammar.layout import Layout


class MmcvText(Headed):
    """Reads training lines as window means of rank 0, validation lines as `val.` series.

    `[50/40000]` counts finished iterations, so the line speaks of step 49.
    """

    name = "mmcv"
    example = (
        "2021-08-01 12:00:00,123 - mmseg - INFO - Iter [50/40000]\tlr: 9.989e-03, eta: 5:10:11, "
        "time: 0.466, data_time: 0.010, memory: 10000, loss: 3.1415"
    )
    layout = Layout(
        needle=" - INFO - ",
        head=re.compile(
            r" - (?:(?:Iter|Epoch(?: \[(?P<epoch>\d+)\])?) ?\[(?P<done>\d+)/(?P<total>\d+)\]"
            r"|(?:Iter|Epoch)\((?P<phase>val)\) \[[\d\]\[/]{1,40}\])\s",
            re.ASCII,
        ),
        stated=(("seed", re.compile(r"Set random seed to (\d{1,18})[,\s]", re.ASCII)),),
        fields=Parted(","),
        left_out=LEFT_OUT,
        first=1,
        means="interval",
        instant=INSTANT,
        without="a training line without figures",
    )
