"""A keeper process, which gets an order as JSON on standard input.

It prints how the run ended as JSON, after all processes of the run have ended: another run may take
the device then. A request to end (SIGTERM) ends the run, and so does the end of
standard input; a second request ends it at once.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from dataclasses import asdict, replace
from types import FrameType

from harness.sweep.keep import Order, keep
from harness.system.trees import adopt_orphans, end_left


class _Twice(BaseException):
    """A second request to end."""


def main() -> None:
    """Runs the order, and prints how it ended."""
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise _Twice
        asked = True

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides
    adopt_orphans()
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    try:
        ended = keep(order, asked=lambda: asked or _parent_has_gone())
        ended = replace(ended, left=end_left(grace_s=order.grace_s))
    except _Twice:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_left(grace_s=0.0)
        return
    json.dump(asdict(ended), sys.stdout)


def _parent_has_gone() -> bool:
    """Returns whether the process that gave the order has closed the pipe, or has ended."""
    ready, _, _ = select.select([0], [], [], 0)
    return bool(ready) and not os.read(0, 1)
