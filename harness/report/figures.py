"""Pictures in a style of the package: no `matplotlibrc` of a folder or a user reaches them."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Inside it a figure is drawn and saved by matplotlib's defaults.

    A letter that the font lacks is drawn as a box, a label that is too long is cut, without a
    warning.
    """
    matplotlib = _matplotlib()
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context(rc=defaults), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=".*layout not applied")
        yield


def save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Writes a figure, the same bytes each time, into a file whose name says the format."""
    with own_style():
        figure.savefig(path, dpi=dpi, metadata={"Date": None} if path.suffix == ".svg" else None)


def _matplotlib() -> Any:
    """The package, imported where it finds no `matplotlibrc`: it reads one of the current folder.

    A file that is no text ends the import, and one that never ends hangs it.
    """
    stray = os.path.lexists("matplotlibrc")
    with contextlib.chdir(Path(__file__).parent) if stray else contextlib.nullcontext():
        import matplotlib  # noqa: PLC0415  (half a second, only plots need it)
    return matplotlib
