"""Nested settings -> settings by dotted name, as a printed config has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 20
"""Levels of a config; what is deeper is kept as its text."""


def flat(config: Mapping[str, Any]) -> dict[str, object]:
    """Returns the settings of a config by dotted name; a list of plain values is its text.

    >>> flat({"lr": 0.1, "optim": {"type": "SGD"}, "betas": [0.9, 0.99], "hooks": [{"a": 1}]})
    {'lr': 0.1, 'optim.type': 'SGD', 'betas': '(0.9, 0.99)', 'hooks.0.a': 1}
    """
    settings: dict[str, object] = {}
    for name, value in config.items():
        _add(str(name), value, settings, MAX_DEPTH)
    return settings


def _add(name: str, value: object, into: dict[str, object], depth: int) -> None:
    if isinstance(value, Mapping) and depth:
        for inner, item in value.items():
            _add(f"{name}.{inner}", item, into, depth - 1)
    elif isinstance(value, list | tuple) and depth and any(map(_is_nested, value)):
        for i, item in enumerate(value):
            _add(f"{name}.{i}", item, into, depth - 1)
    else:
        into[name] = str(tuple(value)) if isinstance(value, list | tuple) else value


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)
