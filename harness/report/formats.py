"""The list of log formats, for `harness formats`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from harness.log.shown import printable
from harness.parse import FORMATS
from harness.parse.formats.pattern import Pattern
from harness.parse.formats.tensorboard import TensorBoard


class Installed(Protocol):
    """A format that another package adds."""

    @property
    def kind(self) -> Any:
        """The class of the format."""

    @property
    def package(self) -> str:
        """The name of the package."""


def write(console: Console, installed: Sequence[Installed] = ()) -> None:
    """Prints every format with a summary and an example line, in the order of detection."""
    console.print(Text("A log is recognised by its content; it may contain several formats.\n"))
    for kind in (kind for kind in FORMATS if not kind.fallback):
        _write(console, kind)
    for more in installed:
        _write(console, more.kind, f" (package {more.package})")
    for kind in (*(kind for kind in FORMATS if kind.fallback), TensorBoard, Pattern):
        _write(console, kind)


def _write(console: Console, kind: Any, of: str = "") -> None:
    about = (import_module(kind.__module__).__doc__ or "").strip().partition("\n")[0]
    console.print(Text.assemble((printable(kind.name), "bold"), f"{of}: {printable(about)}"))
    console.print(Text(f"    {printable(kind.example)}", style="dim"), soft_wrap=True)
