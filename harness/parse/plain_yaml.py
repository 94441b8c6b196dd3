"""Settings in YAML as programs dump them: mappings, lists and scalars by indentation.

lr: 0.1
optim:
  type: SGD
betas:
- 0.9
- 0.999

Only the forms that dumping writes are read. Tags are left out; a flow collection with anything
inside and a text in block style are kept as their text. Nothing is ever executed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.parse.number import number

MAX_TEXT = 1 << 20
"""Characters of a file of settings."""
MAX_DEPTH = 50

_KEY = re.compile(
    r"""(?P<key>'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|(?:[^\s'"#\[{&*!|>-]|-[^\s]).*?)\s*:"""
    r"(?:\s+(?P<value>.*))?$"
)
_TAG = re.compile(r"(?:[!&][^\s,\[\]{}]*(?:\s+|$))+")
_ESCAPE = re.compile(r"\\(?:x(.{2})|u(.{4})|U(.{8})|(.))")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
    "{}": None,
    "[]": "()",
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}", re.ASCII)


class _Line(NamedTuple):
    indent: int
    text: str


def read_yaml(text: str) -> dict[str, object]:
    r"""Returns the settings of a file, with mappings as dicts and lists as lists.

    >>> read_yaml("lr: 1.0e-05\noptim:\n  type: 'SGD'\nbetas:\n- 0.9\n- 0.999\n")
    {'lr': 1e-05, 'optim': {'type': 'SGD'}, 'betas': [0.9, 0.999]}

    Raises:
        ValueError: the text is no such file.
    """
    if len(text) > MAX_TEXT:
        msg = f"more than {MAX_TEXT} characters"
        raise ValueError(msg)
    lines = [
        _Line(len(line) - len(line.lstrip(" ")), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#") and line.strip() not in {"---", "..."}
    ]
    if not lines or (len(lines) == 1 and lines[0].text == "{}"):
        return {}
    value, rest = _block(lines, 0, 0)
    if not isinstance(value, dict) or rest != len(lines):
        line = lines[min(rest, len(lines) - 1)].text
        msg = f"{line[:40]!r} is no setting"
        raise ValueError(msg)
    return value


def _block(lines: list[_Line], at: int, depth: int) -> tuple[object, int]:
    """Returns the mapping or the list that begins at a line, and the line behind it."""
    if depth > MAX_DEPTH:
        msg = f"more than {MAX_DEPTH} levels"
        raise ValueError(msg)
    is_list = _is_item(lines[at].text)
    return (_list if is_list else _mapping)(lines, at, depth)


def _mapping(lines: list[_Line], at: int, depth: int) -> tuple[dict[str, object], int]:
    indent, settings = lines[at].indent, {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
        match = _KEY.match(lines[at].text)
        if match is None:
            break
        key = str(_scalar(match["key"])) if match["key"][0] in "'\"" else match["key"]
        settings[key], at = _value(match["value"] or "", lines, at, indent, depth)
    return settings, at


def _list(lines: list[_Line], at: int, depth: int) -> tuple[list[object], int]:
    indent, items = lines[at].indent, []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
        rest = lines[at].text[1:].lstrip()
        if rest and (_is_item(rest) or _KEY.match(rest)) and rest[0] not in "'\"[{":
            inner = _Line(indent + len(lines[at].text) - len(rest), rest)
            lines[at] = inner
            item, at = _block(lines, at, depth + 1)
        else:
            item, at = _value(rest, lines, at, indent, depth)
        items.append(item)
    return items, at


def _value(text: str, lines: list[_Line], at: int, indent: int, depth: int) -> tuple[object, int]:
    """Returns the value behind a key or a dash on line `at`, and the line behind it."""
    text = _TAG.sub("", text, count=1) if text[:1] in {"!", "&"} else text
    at += 1
    below = at
    while below < len(lines) and lines[below].indent > indent:
        below += 1
    if not text:
        if below > at or (
            at < len(lines) and lines[at].indent == indent and _is_list_of(lines, at)
        ):
            return _block(lines, at, depth + 1)
        return None, at
    more = [line.text for line in lines[at:below]]
    if text[0] in "|>":
        return "\n".join(more), below
    return _scalar(" ".join([text, *more])), below


def _is_list_of(lines: list[_Line], at: int) -> bool:
    """Whether the list at a line belongs to the key before it, which is not an item itself."""
    return _is_item(lines[at].text) and not _is_item(lines[at - 1].text)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _scalar(text: str) -> object:
    """Returns what a scalar denotes: text, a number, true, false or None."""
    if text[0] == "'" and text[-1] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[0] == '"' and text[-1] == '"' and len(text) > 1:
        return _ESCAPE.sub(_escaped, text[1:-1])
    text = text.partition(" #")[0].rstrip()
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    value = number(text)
    return text if value is None or not any(c.isdigit() for c in text) else value


def _escaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits is None:
        return {"n": "\n", "t": "\t"}.get(match[4], match[4])
    try:
        return chr(int(digits, 16))
    except (ValueError, OverflowError):
        return match[0]
