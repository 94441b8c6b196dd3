"""Does training on the target accelerator reproduce training on the GPU?

Reads training logs, compares a candidate (the port) with a baseline (the GPU), and returns a
verdict with its reasons. `harness --help` documents the command line; the names below are the
library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.comparison.judge import Policy
    from harness.comparison.pipeline import Comparison, compare
    from harness.errors import HarnessError
    from harness.log.run import Run, Series
    from harness.rules import Verdict
    from harness.storage.logs import read_run

__all__ = [
    "Comparison",
    "HarnessError",
    "Policy",
    "Run",
    "Series",
    "Verdict",
    "compare",
    "read_run",
]

_HOMES = {
    "Comparison": "harness.comparison.pipeline",
    "HarnessError": "harness.errors",
    "Policy": "harness.comparison.judge",
    "Run": "harness.log.run",
    "Series": "harness.log.run",
    "Verdict": "harness.rules",
    "compare": "harness.comparison.pipeline",
    "read_run": "harness.storage.logs",
}


def __getattr__(name: str) -> Any:
    """Returns a public name, imported at its first use so that `harness --help` loads no numpy."""
    if name not in _HOMES:
        msg = f"module 'harness' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
