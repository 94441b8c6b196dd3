"""Hides warnings for a moment, also where other threads do the same."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ALONE = threading.RLock()


@contextmanager
def without_warnings(*messages: str) -> Iterator[None]:
    """Returns a context that hides warnings whose text matches one of the regular expressions.

    Without expressions it hides all warnings. Python's list of filters belongs to the process, so
    one thread at a time is inside.
    """
    with _ALONE, warnings.catch_warnings():
        for message in messages or ("",):
            warnings.filterwarnings("ignore", message=message)
        yield
