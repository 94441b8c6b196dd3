"""A keeper process, which gets an order as JSON on standard input.

It prints how the run ended as JSON. A request to end (SIGTERM) ends the run, a second one at once.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from types import FrameType

from harness.sweep.keep import Order, keep


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
    order = Order(**json.load(sys.stdin))
    try:
        ended = keep(order, asked=lambda: asked)
    except _Twice:
        return
    json.dump(asdict(ended), sys.stdout)
