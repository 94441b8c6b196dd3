"""What a log says in passing about its device: another one behind `cuda`, operators on the CPU.

TORCH_SDAA_AUTOLOAD=cuda_migrate
The operator 'aten::nonzero' is not currently supported on the NPU backend and will fall back to CPU
Process rank: 0, world size: 4, device: npu:0, compute dtype: torch.bfloat16   (LLaMA-Factory)
"""

from __future__ import annotations

import re

from harness.log.fact_table import DEVICE_KINDS
from harness.parse.collect import Collector
from harness.parse.line import Line

MAX_LINE = 2000
MAX_OPERATORS = 100
"""Operators that are listed."""
MIGRATED = "TORCH_SDAA_AUTOLOAD"

_MIGRATED = re.compile(rf"\b{MIGRATED}['\"]?\s{{0,4}}[=:]\s{{0,4}}['\"]?cuda_migrate\b")
_OPERATOR = re.compile(
    r"(?:\bop(?:erator)?:? {0,4}['\"`]?(?P<named>\w{1,40}(?:::|\.)[\w.:]{1,60})"
    r"|\b(?P<aten>aten::[\w.]{1,60}))"
    r"[^\n]{0,160}?\bfall(?:s|en|ing)?[ -]?back\b[^\n]{0,60}?\bcpu\b",
    re.IGNORECASE,
)
_PROCESS = re.compile(r"\bProcess rank: \d{1,6}, ")
_WORLD = re.compile(r"\bworld size: (?P<size>\d{1,6})\b", re.ASCII)
_DEVICE = re.compile(rf"\bdevice: (?P<kind>{'|'.join(DEVICE_KINDS)})\b")
_DTYPE = re.compile(r"\bcompute dtype: torch\.(?P<dtype>b?float\d\d)\b")


class DeviceNotes:
    """Reads such lines into facts. It makes no records."""

    name = "notes on the device"
    example = "TORCH_SDAA_AUTOLOAD=cuda_migrate"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._operators: dict[str, int] = {}

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line that states one of them."""
        number, text = line.number, line.text
        if len(text) > MAX_LINE or not line.whole:
            return False
        if MIGRATED in text and _MIGRATED.search(text):
            into.fact("device_kind", "sdaa", line=number)
            into.note(f"{MIGRATED}=cuda_migrate: what this log calls cuda is SDAA")
            return True
        if "Process rank: " in text and _PROCESS.search(text):
            _process(number, text, into)
            return True
        match = _OPERATOR.search(text) if "fall" in text else None
        if match is None:
            return False
        if len(self._operators) < MAX_OPERATORS:
            self._operators.setdefault((match["named"] or match["aten"]).rstrip(".:"), number)
        return True

    def close(self, into: Collector) -> None:
        """States which operators ran on the CPU."""
        if self._operators:
            names = ", ".join(sorted(self._operators))
            into.fact("cpu_operators", names, line=min(self._operators.values()))


def _process(number: int, text: str, into: Collector) -> None:
    """States what LLaMA-Factory and the Trainer's examples say of a process at its start."""
    world, device, dtype = _WORLD.search(text), _DEVICE.search(text), _DTYPE.search(text)
    if world is not None:
        into.fact("world_size", int(world["size"]), line=number)
    if device is not None and not into.has("device_kind"):
        into.fact("device_kind", device["kind"], line=number)
    if dtype is not None:
        kind = dtype["dtype"]
        into.fact("precision", kind if kind == "float32" else f"amp-{kind}", line=number)
