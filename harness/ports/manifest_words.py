"""Error messages about a manifest, for its author."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from harness.ports.quarantine_entry import of_quarantine
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
        "attempts": 'a list of logs, globs or folders, such as attempts = ["logs/again.log"]',
        "quarantine": "a table [port.quarantine] with owner, issue, until and reason",
    }
)
"""The kind of value that each key expects."""
LISTS = ("rules", "allow", "attempts")
SHOWN = 60
"""Longest value that a message quotes, in characters."""
MOST = 10
"""Largest number of mistakes that a message lists; it counts the others."""


def of_entry(error: ValidationError, expected: Mapping[str, str] = EXPECTED) -> list[str]:
    """Returns the messages about an entry, one per key; `expected` says what each key expects."""
    messages: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        place = detail["loc"]
        key = str(place[0]) if place else "entry"
        if key == "quarantine":
            part = str(place[1]) if len(place) > 1 else ""
            said = of_quarantine(part, detail["type"], detail["input"])
            messages.setdefault(f"{key}.{part}", said)
            continue
        kind = detail["type"] if len(place) == 1 else "part"  # "part": inside the key's value
        messages.setdefault(key, _of_key(key, kind, detail["input"], expected))
    return list(messages.values())


def _of_key(key: str, kind: str, value: Any, expected: Mapping[str, str]) -> str:
    if kind == "missing":
        return f"lacks {key}; expected {expected[key]}"
    if key not in expected:
        return unknown_key(key, expected)
    if key in LISTS and isinstance(value, str) and kind in {"tuple_type", "list_type"}:
        return f'{key} is {_value(value)}; write {key} = ["{value[:SHOWN]}"]'
    if key == "name" and isinstance(value, str) and unfit(value):
        return f"name {shortened(value)!r} {unfit(value)}; expected {expected[key]}"
    return f"{key} holds {_value(value)}; expected {expected[key]}"


def unknown_key(key: str, expected: Mapping[str, str] = EXPECTED) -> str:
    """Returns the message about an unknown key, with the nearest known key if any is near."""
    near = get_close_matches(key.lower(), expected, n=1)
    if near:
        return f"unknown key {shortened(key)!r}; did you mean {near[0]!r}?"
    return f"unknown key {shortened(key)!r}; known keys: {', '.join(expected)}"


def of_document(content: Mapping[str, Any]) -> str:
    """Returns the message about a document without valid entries; empty if it has them."""
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
    """Returns the mistakes as a single message, and the line if there is only one mistake."""
    if len(mistakes) == 1:
        ((line, text),) = mistakes
        return text, line
    listed = "; ".join(f"line {line}, {text}" for line, text in mistakes[:MOST])
    more = f"; and {len(mistakes) - MOST} more" if len(mistakes) > MOST else ""
    return f"{len(mistakes)} mistakes: {listed}{more}", None


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:  # Python refuses to print an integer of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
