"""The list of log formats, for `harness formats`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.parse import FORMATS
from harness.parse.formats.pattern import Pattern
from harness.parse.formats.tensorboard import TensorBoard


def write(console: Console) -> None:
    """Prints every format with what it is and a line of it, in the order of asking."""
    console.print(Text("A log is recognised by its content; one log may hold several formats.\n"))
    kinds: tuple[Any, ...] = (*FORMATS, TensorBoard, Pattern)
    for kind in kinds:
        module = import_module(kind.__module__).__doc__ or ""
        console.print(Text.assemble((kind.name, "bold"), f": {module.splitlines()[0]}"))
        console.print(Text(f"    {kind.example}", style="dim"), soft_wrap=True)
