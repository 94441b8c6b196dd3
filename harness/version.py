"""The version of the package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

PACKAGE = "ccnet-port-harness"


def tool_version() -> str:
    """The installed version of the package, `unknown` in a bare source tree."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"
