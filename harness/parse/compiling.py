"""Compiles functions over bytes by numba, which takes a third of a second to load.

So what is compiled is imported where a large log is read, and nowhere else. numba keeps a compiled
function on disk until its file changes and looks at no other file: a function given to `compiled`
calls only what stands in its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Bits = NDArray[np.uint64]
Table = NDArray[np.int64]
Small = NDArray[np.int16]
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
"""Nothing compiled makes an array, so references need not be counted: that took half the time."""
F = TypeVar("F", bound=Callable[..., Any])


def part(function: F) -> F:
    """Compiles a function into those that call it."""
    return cast(F, numba.njit(function, **_OPTIONS, forceinline=True))


def compiled(signature: str) -> Callable[[F], F]:
    """Compiles a function at once, and keeps the result where a folder for it can be written.

    That is `__pycache__` beside its file, the user's cache, or what NUMBA_CACHE_DIR names. Where
    none can be written it is compiled in every process, which takes seconds.
    """

    def make(function: F) -> F:
        try:
            made: Any = numba.njit(signature, **_OPTIONS, nogil=True, cache=True)(function)
        except (RuntimeError, OSError):  # numba finds no such folder, or the disk is full
            made = numba.njit(signature, **_OPTIONS, nogil=True)(function)
        return cast(F, made)

    return make
