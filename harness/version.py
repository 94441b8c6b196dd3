"""What is installed: the version of this package, and the packages that extend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.errors import ExtensionError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PACKAGE = "ccnet-port-harness"


@cache  # reading the metadata takes a millisecond, and a check asks three times a port
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


@dataclass(frozen=True, slots=True)
class Extension:
    """An entry point of an installed package: a name, and what it adds under it."""

    point: EntryPoint

    @property
    def name(self) -> str:
        """The name under which it is asked for."""
        return self.point.name

    @property
    def package(self) -> str:
        """The package with its version."""
        of = self.point.dist
        return f"{of.name} {of.version}" if of is not None else self.point.module

    def load(self) -> Any:
        """Returns the object behind the entry point.

        Raises:
            ExtensionError: it cannot be imported.
        """
        try:
            return self.point.load()
        except Exception as error:
            msg = (
                f"the package {self.package} adds {self.name!r} as {self.point.value}, which "
                f"cannot be loaded: {type(error).__name__}: {error}. Repair or uninstall it"
            )
            raise ExtensionError(msg) from error


@cache
def extensions(group: str) -> Sequence[Extension]:
    """Returns the entry points of a group, in the order of their names."""
    from importlib.metadata import entry_points  # noqa: PLC0415

    return sorted(map(Extension, entry_points(group=group)), key=lambda e: (e.name, e.package))
