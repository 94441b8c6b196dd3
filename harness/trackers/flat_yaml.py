"""The top level of YAML files that trackers write: names with plain or quoted texts."""

from __future__ import annotations

import ast
import re

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z_][\w.-]*):(?:[ \t]+(?P<value>.*(?:\n[ \t].*)*))?$", re.MULTILINE
)
_FOLD = re.compile(r"\n\s*")
_JOINED = re.compile(r"\\\n\s*(?:\\(?= ))?")


def flat(text: str) -> dict[str, str]:
    r"""Returns the entries of a mapping as texts; lists and mappings inside it are left out.

    >>> flat("status: 3\nname: 'it''s #1'\nother: \"a\\tb\"\ntags: []\nlong: a\n  b\nx: null\n")
    {'status': '3', 'name': "it's #1", 'other': 'a\tb', 'long': 'a b'}
    """
    entries = {}
    for entry in _ENTRY.finditer(text):
        value = _scalar((entry["value"] or "").strip())
        if value is not None:
            entries[entry["name"]] = value
    return entries


def _scalar(text: str) -> str | None:
    """Returns the text that a scalar of YAML stands for; None for null and for structures."""
    if text.startswith("'"):
        return _FOLD.sub(" ", text[1:-1]).replace("''", "'")
    if text.startswith('"'):
        try:
            return str(ast.literal_eval(_FOLD.sub(" ", _JOINED.sub("", text))))
        except (ValueError, SyntaxError):
            return None
    if text in {"", "null", "~"} or text.startswith(("[", "{", "-\n", "|", ">")):
        return None
    return _FOLD.sub(" ", text)
