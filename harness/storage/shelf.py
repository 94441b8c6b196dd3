"""Lists the recorded baselines of a folder, without opening them."""

from __future__ import annotations

import os
from pathlib import Path

TOML = "baseline.toml"


def recording_folders(folder: Path) -> list[Path]:
    """Returns the folders of the recordings in a folder, sorted by name, damaged ones included."""
    try:
        inner = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        path
        for path in inner
        if not path.name.startswith(".") and os.path.lexists(path / TOML)  # even a broken link
    ]
