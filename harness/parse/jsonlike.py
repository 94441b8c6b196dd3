"""One line of text as a JSON object, or the reason why it is none."""

from __future__ import annotations

import json
from typing import Any

from harness.parse.collect import Collector

MAX_JSON = 1 << 22
"""Characters of one object; a line beyond is no record."""


def json_object(number: int, line: str, into: Collector) -> dict[str, Any] | None:
    """The object that a line holds; None, and a skipped line, if it only begins like one."""
    try:
        entry = json.loads(line) if len(line) <= MAX_JSON else None
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        into.skip(number, line, "starts like a JSON object and is none")
        return None
    return entry
