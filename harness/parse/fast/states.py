"""What a format remembers between two lines, as values that can be compared and counted on."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

Path = tuple[Any, ...]
State = dict[Path, Any]

MAX_LEAVES = 5000
"""Values of one state; a format that remembers more is read line by line."""
_PLAIN = (int, float, str, bytes, bool, type(None), tuple, frozenset)
_PASSED = (re.Pattern, FunctionType, MethodType, ModuleType, type)


class TooLargeError(Exception):
    """A state has more values than are compared."""


def state_of(thing: object) -> State:
    """Returns every value that an object remembers, by the path that leads to it.

    Raises:
        TooLargeError: there are more than `MAX_LEAVES`.
    """
    found: State = {}
    _walk(thing, (), found, set())
    return found


def _walk(thing: object, path: Path, found: State, seen: set[int]) -> None:
    if len(found) > MAX_LEAVES:
        raise TooLargeError
    if isinstance(thing, _PLAIN):
        found[path] = thing
    elif isinstance(thing, _PASSED):
        return
    elif isinstance(thing, array | np.ndarray):
        found[path] = len(thing)
    elif isinstance(thing, set):
        found[path] = frozenset(thing)
    elif id(thing) not in seen:
        seen.add(id(thing))
        found[(*path, type(thing))] = True
        for key, value in _parts(thing):
            _walk(value, (*path, key), found, seen)


def _parts(thing: object) -> list[tuple[Any, Any]]:
    """The parts of a container or an object, by the key or the name that leads to each."""
    if isinstance(thing, Mapping):
        return [(("key", key), value) for key, value in thing.items()]
    if isinstance(thing, list):
        return [(("key", i), value) for i, value in enumerate(thing)]
    named = [(("of", name), value) for name, value in getattr(thing, "__dict__", {}).items()]
    slots = _slots_of(type(thing))
    return named + [(("of", at), getattr(thing, at)) for at in slots if hasattr(thing, at)]


def _slots_of(kind: type) -> tuple[str, ...]:
    return tuple(name for base in kind.__mro__ for name in getattr(base, "__slots__", ()))


def steps_between(before: State, after: State) -> dict[Path, int] | None:
    """Returns by how much each whole number rose; None where values came or went.

    Other values that changed are those of the last line: the next line replaces them.
    """
    if before.keys() != after.keys():
        return None
    rose = {}
    for path, value in after.items():
        was = before[path]
        if type(was) is int and type(value) is int and value != was:
            rose[path] = value - was
        elif isinstance(value, frozenset | str | bool) and value != was:
            return None
    return rose


def advance(thing: object, steps: Mapping[Path, int]) -> None:
    """Adds to each whole number what it rises by."""
    for (*inner, last), step in steps.items():
        holder: Any = thing
        for kind, name in inner:
            holder = holder[name] if kind == "key" else getattr(holder, name)
        kind, name = last
        if kind == "key":
            holder[name] += step
        else:
            setattr(holder, name, getattr(holder, name) + step)
