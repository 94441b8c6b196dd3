"""CCNet on torch and mmengine, compatible with mmsegmentation's checkpoints and configs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.argv[:1] == ["-m"]:  # Python looks for the module of a `python -m model...`
    from model.command import prepare

    prepare()
if TYPE_CHECKING:
    from model.build import build_model, load_config

__all__ = ["build_model", "load_config"]


def __getattr__(name: str) -> Any:
    """Imports the builder on first use, so that `import model` does not load torch."""
    if name in __all__:
        from model import build  # noqa: PLC0415

        return getattr(build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
