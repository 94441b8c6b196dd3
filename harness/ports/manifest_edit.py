"""Changes the baseline of an entry in the text of ports.toml, and leaves every other byte."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from harness.errors import PolicyError
from harness.system.toml_text import TomlError, loads

_KEY = re.compile(r"(?P<key>baseline|\"baseline\"|'baseline')[ \t]*=[ \t]*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')


def with_baseline(text: str, name: str, baseline: str) -> str:
    """Returns the manifest with another baseline for the port `name`; comments stay.

    Every value after the key `baseline` is tried. The one that changes this entry alone is right,
    which reading the text again shows: a regular expression alone could change a comment.

    Raises:
        PolicyError: no single place in the text holds the value.
    """
    wanted = _expected(_read(text), name, baseline)
    for key in _KEY.finditer(text):
        value = _STRING.match(text, key.end())
        if value is None:
            continue
        changed = text[: key.end()] + json.dumps(baseline) + text[value.end() :]
        if wanted and _read(changed) == wanted:
            return changed
    msg = f'cannot be edited at port {name}; write baseline = "{baseline}" there yourself'
    raise PolicyError(msg)


def _read(text: str) -> dict[str, Any]:
    """Returns the content of a text; empty if it is not TOML as it stands."""
    try:
        return loads(text)
    except TomlError:
        return {}


def _expected(content: dict[str, Any], name: str, baseline: str) -> dict[str, Any]:
    wanted = copy.deepcopy(content)
    for entry in wanted.get("port", ()):
        if entry.get("name") == name:
            entry["baseline"] = baseline
    return wanted
