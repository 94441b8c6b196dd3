"""The command that started a run, and YAML settings, at the head of a log.

torchrun --nproc_per_node=4 train.py --lr 0.01 --batch-size 8 --bf16
per_device_train_batch_size: 2
"""

from __future__ import annotations

import re

from harness.log.fact_table import aliases
from harness.log.facts import FactValue
from harness.parse.blocks.arguments import argument_value, fits
from harness.parse.collect import Collector
from harness.parse.line import Line

MAX_LINE = 4000
MAX_LINES = 200
"""Lines over which one command may continue."""

_COMMAND = re.compile(
    r"(?:^|[\s$#>+/])(?:python3?(?:\.\d{1,2})?|torchrun|deepspeed|accelerate|mpirun|msrun|swift"
    r"|llamafactory-cli)\s[^\n]{0,300}?(?:\s--[A-Za-z]|\\\s*$)"
)
_OPTION = re.compile(
    r"(?:^|\s)--(?P<name>[A-Za-z][\w-]{0,60})(?:(?:=|[ \t]{1,8})"
    r"(?P<value>'[^'\n]{1,200}'|\"[^\"\n]{1,200}\"|-?[^\s'\"\\-][^\s'\"\\]{0,200}))?"
)
_SETTING = re.compile(
    r"(?P<name>[a-z]\w{1,60}):[ \t]{1,8}(?P<value>[^\s#\[{][^\s#]{0,80})[ \t]{0,80}(?:#[^\n]*)?$",
    re.ASCII,
)
_NAMED = aliases("arguments")
_PRECISION = {"bf16": "amp-bfloat16", "fp16": "amp-float16"}
_PROCESSES = ("nproc_per_node", "num_processes")


class Command:
    """Reads options that are facts. They hold where the log states the fact nowhere else.

    Settings count before the first record only: behind it such a line may be anything.
    """

    name = "command line"
    example = "torchrun --nproc_per_node=4 train.py --lr 0.01 --batch-size 8"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._open = 0
        self._facts: dict[str, tuple[FactValue, int]] = {}
        self._nodes = 1

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a command with its continued lines, or a setting."""
        text = line.text
        if into.has_records() or len(text) > MAX_LINE or not line.whole:
            return False
        if self._open or (" " in text and _COMMAND.search(text)):
            for option in _OPTION.finditer(text):
                self._option(option["name"].replace("-", "_"), option["value"] or "", line.number)
            goes_on = text.rstrip().endswith("\\")
            self._open = (self._open or MAX_LINES) - 1 if goes_on else 0
            return True
        setting = _SETTING.match(text) if ": " in text else None
        if setting is None:
            return False
        return self._state(setting["name"], setting["value"], line.number)

    def close(self, into: Collector) -> None:
        """States the facts that the log does not state elsewhere."""
        for name, (value, line) in self._facts.items():
            if not into.has(name):
                into.fact(name, value, line=line)

    def _option(self, name: str, text: str, line: int) -> None:
        """Takes an option of a command; the launcher's say how many processes there are."""
        value = argument_value(text) if text else True
        if name in {"nnodes", "num_machines"} and isinstance(value, int):
            self._nodes = value
        elif name in _PROCESSES and isinstance(value, int) and value > 0:
            nodes = 1 if name == "num_processes" else self._nodes
            self._facts.setdefault("world_size", (value * nodes, line))
        else:
            self._state(name, text or "True", line)

    def _state(self, name: str, text: str, line: int) -> bool:
        """Keeps the fact of a setting; returns whether there is one."""
        if name in _PRECISION:
            if text.lower() == "true":
                self._facts.setdefault("precision", (_PRECISION[name], line))
            return True
        fact, value = _NAMED.get(name), argument_value(text)
        if fact is None or value is None or not fits(fact, value):
            return False
        self._facts.setdefault(fact, (value, line))
        return True
