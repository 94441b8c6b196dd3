"""`python -m harness`, and the entry point of the command `harness`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from harness.system.running import run


def _load() -> Callable[..., object]:
    from harness.cli.completion import VARIABLE, answer_shells  # noqa: PLC0415
    from harness.cli.main import app  # noqa: PLC0415  (a broken dependency is an error of ours, too)

    if VARIABLE in os.environ:
        answer_shells()

    return app


def main() -> None:
    """Runs the command line and ends with its status."""
    sys.exit(run(_load))


if __name__ == "__main__":
    main()
