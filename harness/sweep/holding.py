"""Starts the keeper process of a run, and reads from it how the run ended."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import harness
from harness.sweep.keep import Ended, Order, signal_name

_KEEPER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from harness.sweep.keeper import main; main()"
)
"""Finds this harness, whatever lies in the folder of the sweep."""
LONGEST = 200
"""Characters of a keeper's error that a message repeats."""


def start(order: Order) -> subprocess.Popen[bytes]:
    """Returns a keeper with its order. It ends its run when its standard input closes.

    The system closes it when this process ends, however it ends.
    """
    process = subprocess.Popen(  # noqa: S603  (our own words)
        [sys.executable, "-P", "-c", _KEEPER, str(Path(harness.__file__).parents[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Control-C is the driver's
    )
    with contextlib.suppress(OSError):  # the keeper has ended; its result says why
        if process.stdin is not None:
            process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            process.stdin.flush()
    return process


def result(process: subprocess.Popen[bytes], name: str) -> Ended:
    """Returns how a run ended, after waiting for its keeper."""
    process.wait()
    out, said = process.communicate()  # closes its input, so not before its end
    try:
        return Ended(**json.loads(out))
    except (ValueError, TypeError):
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        how = signal_name(process.returncode)
        problem = f"its keeper ended with {how}{': ' if last[0] else ''}{last[0][:LONGEST]}"
        return Ended(name=name, status=None, seconds=0.0, problem=problem)


def hold(order: Order) -> Ended:
    """Returns how a run ended. It is called in the worker of an executor, and raises nothing."""
    try:
        process = start(order)
    except OSError as error:
        problem = f"its keeper cannot be started: {error.strerror}"
        return Ended(name=order.name, status=None, seconds=0.0, problem=problem)
    return result(process, order.name)
