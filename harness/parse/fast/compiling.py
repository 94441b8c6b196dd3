"""Compiles functions over bytes by numba, which takes a third of a second to load.

So what is compiled is imported where a large log is read, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, cast
from zlib import crc32

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Bits = NDArray[np.uint64]
Table = NDArray[np.int64]
Small = NDArray[np.int16]
Floats = NDArray[np.float64]
SOURCES = (*("compiling.py", "cutter.py", "decimals.py", "digits.py", "grouping.py", "linecut.py"),)
"""The files with functions that are compiled."""
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
"""Nothing compiled makes an array, so references need not be counted: that took half the time."""
_T: Any = numba.types
_TYPES: dict[str, Any] = {
    "int": _T.int64,
    "Bytes": _T.Array(_T.uint8, 1, "C", readonly=True),
    "Bits": _T.uint64[::1],
    "Table": _T.int64[::1],
    "Small": _T.int16[::1],
    "Floats": _T.float64[::1],
}
F = TypeVar("F", bound=Callable[..., Any])


@cache
def _version() -> str:
    texts = [(files(__package__) / name).read_bytes() for name in SOURCES]
    return f"{crc32(b''.join(texts)):08x}"


def _type(name: str, names: Mapping[str, Any]) -> Any:
    """The type that numba has for an annotation; a named tuple is looked up in `names`."""
    if name in _TYPES:
        return _TYPES[name]
    fields = names[name]
    kinds = [_TYPES[kind.__forward_arg__] for kind in fields.__annotations__.values()]
    if len(set(kinds)) == 1:
        return _T.NamedUniTuple(kinds[0], len(kinds), fields)
    return _T.NamedTuple(kinds, fields)


def part(function: F) -> F:
    """Compiles a function into those that call it."""
    return cast(F, numba.njit(function, **_OPTIONS, forceinline=True))


def compiled(function: F) -> F:
    """Compiles a function at once for the types that it is annotated with, and keeps the result.

    numba keeps it until the function's own file changes, under a name that changes here with any
    of `SOURCES`, from which the function may take what it calls. It is kept in `__pycache__` beside
    that file, in the user's cache, or where NUMBA_CACHE_DIR says. If none of them can be written
    it is compiled in every process, which takes seconds.
    """
    kinds = [name for place, name in function.__annotations__.items() if place != "return"]
    signature = tuple(_type(name, function.__globals__) for name in kinds)
    try:
        function.__qualname__ += f"_{_version()}"
        made: Any = numba.njit(signature, **_OPTIONS, nogil=True, cache=True)(function)
    except (RuntimeError, OSError):  # no such folder, no source, or the disk is full
        made = numba.njit(signature, **_OPTIONS, nogil=True)(function)
    return cast(F, made)
