"""TensorBoard's event files: binary records of scalars by tag, read by tensorboard's own loader.

events.out.tfevents.1732550000.host.123.0        (a file, or the folder of one run)
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.curve import Run
from harness.errors import ParseError
from harness.parse.collect import Collector
from harness.parse.names import Names
from harness.parse.reading import run_of

MARK = b"brain.Event:"
"""Stands in the first record of every event file."""
NAME = ".tfevents."
_HEAD, _FOOT = 12, 4
"""Bytes around a record: its length with a checksum before, a checksum after."""


class TensorBoard:
    """Every tag of scalars is a series; steps are taken as they are written."""

    name = "tensorboard"
    example = "events.out.tfevents.* (tags become series: --metric train/loss)"


def is_event_file(start: bytes) -> bool:
    """Whether a file that starts with these 64 bytes holds events."""
    return MARK in start[:64]


def read_events(paths: Sequence[Path], *, source: str) -> Run:
    """The run in the event files of one run, in the order in which they were begun.

    Raises:
        ParseError: tensorboard is not installed, or the files hold no scalar.
    """
    loader_of = _loader(source)
    into = Collector()
    into.reader = TensorBoard.name
    names = Names()
    count = 0
    for path in paths:
        for event in loader_of(str(path)).Load():
            count += 1
            into.line = count
            for value in event.summary.value:
                number = _scalar(value)
                if number is not None:
                    into.claim(TensorBoard.name)
                    name = names.of(str(value.tag))
                    into.record(name, rank=0, iteration=int(event.step), value=number)
        if not _ends_whole(path):
            into.note(f"{path.name} ends inside a record: it was cut off, or is being written")
    return run_of(into, source=source, lines=count)


def _loader(source: str) -> Any:
    try:
        from tensorboard.backend.event_processing import (  # noqa: PLC0415  (an extra)
            event_file_loader,
        )
    except ImportError as error:
        msg = (
            "a TensorBoard event file, which tensorboard reads; install it with: "
            "pip install 'ccnet-port-harness[tensorboard]'"
        )
        raise ParseError(msg, source=source) from error
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of damage that we report
    return event_file_loader.EventFileLoader


def _scalar(value: Any) -> float | None:
    """The number in a summary value; None if it is a picture, a histogram or a text."""
    plugin = value.metadata.plugin_data.plugin_name
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if plugin not in {"", "scalars"} or not value.HasField("tensor"):
        return None
    from tensorboard.util import tensor_util  # noqa: PLC0415

    try:
        array = tensor_util.make_ndarray(value.tensor)
        return float(array) if array.size == 1 and array.dtype.kind in "fiu" else None
    except (TypeError, ValueError):
        return None


def _ends_whole(path: Path) -> bool:
    """Whether the last record is whole: each is a length, the data, and their checksums."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + _HEAD <= size:
            file.seek(at)
            (length,) = struct.unpack("<Q", file.read(8))
            at += _HEAD + length + _FOOT
    return at == size
