"""Pictures in matplotlib's default style; no `matplotlibrc` of a folder or a user applies."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.extras import is_installed, needs, require
from harness.log.quiet import without_warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


NO_PICTURE = f"no picture was drawn, because that {needs('matplotlib')}"


def missing() -> str:
    """Returns why no picture can be drawn, for the user; empty if pictures can be drawn."""
    return "" if is_installed("matplotlib") else NO_PICTURE


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Returns a context in which figures are drawn and saved with matplotlib's defaults.

    It suppresses the warnings on letters that the font lacks and on labels that do not fit.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", "a picture")
    matplotlib = _matplotlib()
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    defaults["svg.hashsalt"] = "harness"  # otherwise the names in an SVG are random
    glyphs, layout = "Glyph .* missing from font", ".*layout not applied"
    # The context of the warnings comes first: it lets one thread in, and the style is global too.
    with without_warnings(glyphs, layout), matplotlib.rc_context(rc=defaults):
        yield


def save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Writes a figure in the format of the file's extension, with the same bytes each time."""
    with own_style():
        # matplotlib writes the current date into an SVG unless it is None.
        figure.savefig(path, dpi=dpi, metadata={"Date": None} if path.suffix == ".svg" else None)


def _matplotlib() -> Any:
    """Returns matplotlib, imported from a folder without a `matplotlibrc`.

    The import reads that file of the current folder: it fails if the file is not text, and hangs if
    the file never ends.
    """
    stray = "matplotlib" not in sys.modules and os.path.lexists("matplotlibrc")
    with contextlib.chdir(Path(__file__).parent) if stray else contextlib.nullcontext():
        import matplotlib  # noqa: PLC0415  (half a second, only plots need it)
    return matplotlib
