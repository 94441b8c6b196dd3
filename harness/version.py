"""The version of the package."""

from __future__ import annotations

PACKAGE = "ccnet-port-harness"


def tool_version() -> str:
    """The installed version of the package, `unknown` in a bare source tree."""
    from importlib.metadata import (  # noqa: PLC0415  (15 ms, most commands ask late or never)
        PackageNotFoundError,
        version,
    )

    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"
