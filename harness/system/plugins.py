"""The log formats that installed packages add through the entry point group `harness.formats`.

A package that cannot be loaded is an error that names it. Without its format, a log would be read
only in part and judged on that part.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from harness.errors import ExtensionError, HarnessError, ParseError
from harness.parse.collect import Collector
from harness.parse.format import Format
from harness.parse.formats import FORMATS
from harness.parse.line import Line, Place
from harness.version import extensions

GROUP = "harness.formats"
EXPECTED = "expected a class with name, example, fallback, long_lines, feed and close"
REMEDY = "Fix the package, or uninstall it."
_TYPES = {"name": str, "example": str, "fallback": bool, "long_lines": bool}


@dataclass(frozen=True, slots=True)
class InstalledFormat:
    """A format of a package. A call returns a new reader whose errors name the package."""

    kind: type[Format]
    package: str

    def __call__(self) -> Format:
        """Returns a reader of one log.

        Raises:
            ParseError: the package's class cannot be called without arguments.
        """
        try:
            return _Guarded(self.kind(), self.package)
        except Exception as error:
            raise _broken(self.package, self.kind.name, _text(error)) from error


@cache  # 4 ms among 150 packages, and a check reads thousands of logs
def installed_formats() -> tuple[InstalledFormat, ...]:
    """Returns the formats of installed packages, in the order of their names.

    Raises:
        ParseError: a package's format cannot be loaded, is not a format, or has a name in use.
    """
    taken = {kind.name: "harness" for kind in FORMATS}
    formats = []
    for extension in extensions(GROUP):
        package = extension.package
        try:
            kind = extension.load()
        except ExtensionError as error:
            raise _broken(package, extension.name, _text(error.__cause__ or error)) from error
        fault = _fault(kind)
        if not fault and kind.name in taken:
            fault = f"its name {kind.name!r} is also that of a format of {taken[kind.name]}"
        if fault:
            raise _broken(package, extension.name, fault)
        taken[kind.name] = package
        formats.append(InstalledFormat(kind, package))
    return tuple(formats)


def _fault(kind: Any) -> str:
    """Returns why an object is not a format; empty if it is a format."""
    if not isinstance(kind, type):
        return f"it is not a class but {type(kind).__name__}"
    for name, expected in _TYPES.items():
        if not isinstance(getattr(kind, name, None), expected):
            return f"its {name} is not {expected.__name__}"
    missing = [name for name in ("feed", "close") if not callable(getattr(kind, name, None))]
    if missing:
        return f"it has no method {missing[0]}"
    name = cast("type[Format]", kind).name
    return "" if name.strip() and name.isprintable() else "its name is empty or cannot be printed"


def _broken(package: str, name: str, why: str, line: int | None = None) -> ParseError:
    msg = f"package {package}: its log format {name!r} does not work: {why}; {EXPECTED}. {REMEDY}"
    return ParseError(msg, line=line)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


class _Guarded:
    """A reader of a package. Its records are checked, and its errors name the package."""

    def __init__(self, reader: Format, package: str) -> None:
        self._reader, self._package = reader, package
        self.name, self.example = reader.name, reader.example
        self.fallback, self.long_lines = reader.fallback, reader.long_lines

    def feed(self, line: Line, into: Collector) -> bool:
        """Returns whether the line belongs to this format."""
        try:
            return bool(self._reader.feed(line, cast("Collector", _Checked(into))))
        except HarnessError:
            raise
        except Exception as error:
            raise _broken(self._package, self.name, _text(error), line.number) from error

    def close(self, into: Collector) -> None:
        """Hands over the records that are still open."""
        try:
            self._reader.close(cast("Collector", _Checked(into)))
        except HarnessError:
            raise
        except Exception as error:
            raise _broken(self._package, self.name, _text(error)) from error


class _Checked:
    """A collector that converts or refuses the values that a package hands over."""

    def __init__(self, into: Collector) -> None:
        self._into = into

    def __getattr__(self, name: str) -> Any:
        return getattr(self._into, name)

    def record(self, place: Place, values: Mapping[str, float], **how: Any) -> None:
        """Passes a record on, with counters as integers and values as floats.

        Raises:
            TypeError, ValueError: a counter is not an integer, or a value is not a number.
        """
        exact = Place(
            operator.index(place.iteration),
            rank=operator.index(place.rank),
            epoch=float(place.epoch),
            total=operator.index(place.total),
            window=operator.index(place.window),
            after_last=bool(place.after_last),
        )
        self._into.record(exact, {str(name): float(v) for name, v in values.items()}, **how)
