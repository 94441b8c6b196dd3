"""The text log of mmengine: window means of rank 0 during training, metrics after validation.

2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [ 50/40000]  lr: 9.9e-03  ...  loss: 2.1715
2026/11/23 16:01:04 - mmengine - INFO - Iter(val) [5/5]    mIoU: 33.3330  aAcc: 55.0000
"""

from __future__ import annotations

import re

from harness.parse.grammar.fields import Parted
from harness.parse.grammar.headed import Headed
from harness.parse.grammar.layout import Layout

INSTANT = frozenset({"lr", "base_lr", "memory", "momentum"})
"""Fields that are not averaged."""
LEFT_OUT = re.compile(r"eta|.+_copypaste")
"""Fields that are a time, or several numbers."""


class MmengineText(Headed):
    """Reads training lines as series with mmengine's window, validation lines as `val.` series.

    `[50/40000]` counts finished iterations, so the line speaks of step 49. A validation line names
    no step; it belongs to the last step that the log has seen.
    """

    name = "mmengine"
    example = (
        "2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [   50/40000]  lr: 9.9891e-03  "
        "eta: 1:59:13  time: 0.1278  loss: 2.1715  decode.acc_seg: 68.6723"
    )
    layout = Layout(
        needle="mmengine",
        head=re.compile(
            r"(?:Iter|Epoch)\((?P<phase>train|val|test)\)\s{0,8}(?:\[\s{0,8}(?P<epoch>\d+)\])?"
            r"\[\s{0,16}(?P<done>\d+)/\s{0,16}(?P<total>\d+)\]\s",
            re.ASCII,
        ),
        finished=re.compile(r"Saving checkpoint at (?P<done>\d+) iterations", re.ASCII),
        fields=Parted(),
        left_out=LEFT_OUT,
        first=1,
        means="config",
        instant=INSTANT,
    )
