"""Blocks that describe the machine and the start of a run, read into facts.

System environment:                      (mmengine, with a `Runtime environment:` part)
    GPU 0: NVIDIA GeForce RTX 4090
 SDAA Driver  | 2.1.0 (N/A)              (the banner of torch_sdaa)
Port environment:                        (this project's own runs: fact names as they are)
    world_size: 4
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.log.fact_table import DEVICE_KINDS, aliases
from harness.log.facts import FACTS, FactValue
from harness.parse.collect import Collector
from harness.parse.line import Line

BACKENDS = {library: kind for kind, libraries in DEVICE_KINDS.items() for library in libraries}
"""The device kind that each collective library belongs to."""

_ENTRY = re.compile(r"    (?P<key>[^:]+): (?P<value>.*\S)\s*$")
_GPUS = re.compile(r"GPU (?P<indices>\d+(?:,\d+)*)$")
_BANNER = re.compile(r"^ (?P<key>[A-Za-z][\w -]*?)\s*\| (?P<value>\S.*\S|\S)\s*$")
_BACKEND = re.compile(r"'backend': '(?P<name>\w+)'")
_NUMBER = re.compile(r"-?\d{1,18}$", re.ASCII)
MAX_BANNER = 400
"""Characters of a line of the banner."""


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0]


def _seed(text: str) -> FactValue:
    return int(text) if _NUMBER.match(text) else text


_ENTRIES = aliases("mmengine_environment")
_BANNER_FACTS = aliases("sdaa_banner")
_READ: dict[str, Callable[[str], FactValue]] = {
    "python": _first_word,
    "torch": _first_word,
    "mmengine": _first_word,
    "seed": _seed,
    "world_size": int,
    "runtime": lambda text: text.rsplit(", ", 1)[-1],
}
"""How the value of a fact is read from the text of an entry; others are the text itself."""


class Environment:
    """Reads the blocks above. It makes no records."""

    name = "environment block"
    example = "System environment: / Runtime environment: / Port environment:"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._block = ""

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes headings, entries and the end of a block."""
        number, text = line.number, line.text.strip()
        if not line.whole:  # cut off, and so may be the value
            return False
        if text in {"System environment:", "Runtime environment:", "Port environment:"}:
            self._block = text.split()[0]
            return True
        if self._block:
            entry = _ENTRY.match(line.text)
            if entry is None:
                self._block = "" if text else self._block
                return False
            self._entry(number, entry["key"], entry["value"], into)
            return True
        banner = _BANNER.match(line.text) if len(line.text) <= MAX_BANNER else None
        if banner is not None:
            self._banner(number, banner["key"], banner["value"], into)
        return banner is not None

    def close(self, into: Collector) -> None:
        """A block that the log's end cuts off keeps the entries it had."""

    def _entry(self, number: int, key: str, value: str, into: Collector) -> None:
        try:
            if self._block == "Port":
                if key in FACTS:
                    into.fact(key, _plain(value), line=number)
            elif key in _ENTRIES:
                name = _ENTRIES[key]
                into.fact(name, _READ.get(name, str)(value), line=number)
            elif key == "dist_cfg":
                _backend(number, value, into)
            elif gpus := _GPUS.match(key):
                into.fact("device_name", value, line=number)
                into.fact("device_count", len(gpus["indices"].split(",")), line=number)
        except ValueError:
            into.skip(number, f"{key}: {value}", f"{value!r} is not what {key} is made of")

    def _banner(self, number: int, key: str, value: str, into: Collector) -> None:
        if key == "Torch-SDAA":
            into.fact("device_kind", "sdaa", line=number)
        elif key in _BANNER_FACTS:
            into.fact(_BANNER_FACTS[key], _first_word(value), line=number)


def _backend(number: int, value: str, into: Collector) -> None:
    match = _BACKEND.search(value)
    if match is None:
        return
    into.fact("backend", match["name"], line=number)
    kind = BACKENDS.get(match["name"])
    if kind is not None and not into.has("device_kind"):
        into.fact("device_kind", kind, line=number)


def _plain(value: str) -> FactValue:
    """A value of our own block: True and False, whole numbers, otherwise text."""
    if value in {"True", "False"}:
        return value == "True"
    return int(value) if _NUMBER.match(value) else value
