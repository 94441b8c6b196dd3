"""What is wrong with a manifest, in words for the one who wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from harness.system.filenames import shortened, unfit

EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "name": 'letters, digits, ".", "_" and "-", such as name = "ccnet-sdaa"',
        "baseline": "a log, a glob, a folder, or a name in baselines/, in quotes",
        "candidate": "a log, a glob or a folder, in quotes",
        "rules": 'a list of rules, such as rules = ["equivalence"]',
        "pattern": "a regular expression with named groups, in quotes",
        "metric": 'the name of a series, such as metric = "loss"',
        "rank": "a whole number of at least 0, such as rank = 0",
        "allow": 'a list of facts, such as allow = ["seed"]',
        "reason": "words in quotes",
        "steps": "the first and the last step, such as steps = [0, 999]",
        "last": "a whole number of at least 1, such as last = 500",
        "min_steps": "a whole number of at least 1, such as min_steps = 20",
        "max_missing": "a fraction from 0 to 1, such as max_missing = 0.05",
    }
)
"""What each key takes."""
LISTS = ("rules", "allow")
SHOWN = 60
"""Characters of a value in a message."""
MOST = 10
"""Mistakes that a message lists; it counts the rest."""


def of_entry(error: ValidationError) -> list[str]:
    """The mistakes in an entry, one a key."""
    said: dict[str, str] = {}
    for one in error.errors(include_url=False):
        key = str(one["loc"][0]) if one["loc"] else "entry"
        said.setdefault(
            key, _of_key(key, one["type"] if len(one["loc"]) == 1 else "part", one["input"])
        )
    return list(said.values())


def _of_key(key: str, kind: str, found: Any) -> str:
    if kind == "missing":
        return f"lacks {key}; expected {EXPECTED[key]}"
    if key not in EXPECTED:
        return unknown_key(key)
    if key in LISTS and isinstance(found, str) and kind in {"tuple_type", "list_type"}:
        return f'{key} is {_value(found)}; write {key} = ["{found[:SHOWN]}"]'
    if key == "name" and isinstance(found, str):
        return f"name {shortened(found)!r} {unfit(found)}; expected {EXPECTED[key]}"
    return f"{key} holds {_value(found)}; expected {EXPECTED[key]}"


def unknown_key(key: str) -> str:
    """What a key that is none should have been."""
    near = get_close_matches(key.lower(), EXPECTED, n=1)
    if near:
        return f"unknown key {shortened(key)!r}; did you mean {near[0]!r}?"
    return f"unknown key {shortened(key)!r}; known keys: {', '.join(EXPECTED)}"


def of_document(content: Mapping[str, Any]) -> str:
    """What is wrong with the whole: no entries, or none in the form that is expected."""
    return next(_of_document(content), "")


def _of_document(content: Mapping[str, Any]) -> Iterator[str]:
    if not content:
        yield "holds no entry; write [[port]] with a name, a baseline and a candidate"
    entries = content.get("port")
    if isinstance(entries, Mapping):
        yield "has [port]; write [[port]], in two pairs of brackets"
    if entries is None:
        near = next((key for key in content if key.lower().rstrip("s") == "port"), None)
        if near is not None:
            yield f"has [[{near}]]; write [[port]]"
        first = shortened(next(iter(content)))
        yield f"has {first!r} outside an entry, and no entry; write [[port]] above its keys"
    if (
        not isinstance(entries, list)
        or not entries
        or not all(isinstance(entry, Mapping) for entry in entries)
    ):
        yield f"port is {_value(entries)}; expected entries that begin with [[port]]"
    other = next((key for key in content if key != "port"), None)
    if other is not None:
        yield f"has {shortened(other)!r} outside an entry; put it below a [[port]]"


def together(mistakes: Sequence[tuple[int, str]]) -> tuple[str, int | None]:
    """The mistakes with their lines as one message, and the line if there is one mistake."""
    if len(mistakes) == 1:
        ((line, text),) = mistakes
        return text, line
    listed = "; ".join(f"line {line}, {text}" for line, text in mistakes[:MOST])
    more = f"; and {len(mistakes) - MOST} more" if len(mistakes) > MOST else ""
    return f"{len(mistakes)} mistakes: {listed}{more}", None


def _value(found: Any) -> str:
    if isinstance(found, bool):
        return str(found).lower()
    try:
        text = repr(list(found) if isinstance(found, tuple) else found)
    except ValueError:  # a number of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
