"""One line of text as a JSON object, or the reason why it is none.

Programs print `{"loss": nan}` and `{"loss": None}`, which no JSON reader takes. What stands there
is read as text, as if it were quoted, and the readers of the format see that it is no number.
"""

from __future__ import annotations

import json
import re
from typing import Any

from harness.parse.collect import Collector
from harness.parse.line import Line
from harness.parse.tokens import is_spelled

MAX_JSON = 1 << 22
"""Characters of one object; a line beyond is no record."""
MAX_OPEN = 4
"""Braces that are closed where the end of a line is lost."""

_BARE = re.compile(
    r'(?P<head>"(?:[^"\\]|\\.){0,200}"\s{0,8}:\s{0,8})'
    r"(?P<word>\[[^\[\]{}]{0,60}\]|[^\s\"{}\[\],][^\"{}\[\],\n]{0,60}?|)"
    r"(?=\s{0,8}(?:[,}\]]|$))"
)


def json_object(line: Line, into: Collector) -> dict[str, Any] | None:
    """The object that a line holds; None, and a skipped line, if it only begins like one."""
    entry = loads(line.spelled)
    if not isinstance(entry, dict):
        into.skip(line.number, line.spelled, "starts like a JSON object and is none")
        return None
    return entry


def loads(text: str) -> Any:
    """What a text says in JSON, words in the place of numbers as text; None if it is no JSON."""
    if len(text) > MAX_JSON:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    return _mended(text)


def _mended(text: str) -> Any:
    """The same of a text in which words stand unquoted, or whose last value is NaN and all."""
    words = _Words()
    quoted = _BARE.sub(words.quoted, text)
    if not words.any:
        return None
    if text.endswith("\n") and words.last_ends == len(text.rstrip()) and is_spelled(words.last):
        opened = quoted.count("{") - quoted.count("}")
        quoted += "}" * max(0, min(opened, MAX_OPEN))
    try:
        return json.loads(quoted)
    except (ValueError, RecursionError):
        return None


class _Words:
    """Puts quotes around what is not JSON behind a key."""

    def __init__(self) -> None:
        self.any = False
        self.last = ""
        self.last_ends = -1

    def quoted(self, match: re.Match[str]) -> str:
        """A key with its value, in quotes if it needs them."""
        word = match["word"]
        try:
            json.loads(word)
        except (ValueError, RecursionError):
            pass
        else:
            return match[0]
        self.any = True
        self.last, self.last_ends = word, match.end("word")
        return match["head"] + json.dumps(word)
