"""Finds and reads the JSON of earlier comparisons."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.errors import ParseError, PolicyError
from harness.ports.files import DATA
from harness.storage.bounded import full, size
from harness.storage.local import open_path

MAX_BYTES = 64 << 20
"""Largest comparison.json; a comparison of a hundred runs has 100 kB."""
MAX_REPORTS = 100_000
"""Most files below a folder of reports that are looked at."""


def newest_comparison(folder: Path) -> Path:
    """Returns the comparison.json below a folder that was written last.

    Raises:
        PolicyError: the folder has no such file.
    """
    try:
        found = [path for path in sorted(folder.rglob(DATA))[:MAX_REPORTS] if path.is_file()]
        return max(found, key=lambda path: path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:  # ValueError: no report
        msg = (
            f"no {DATA} below this folder; write one with `harness compare BASELINE CANDIDATE "
            f"--report {folder}/NAME`, or name two captures"
        )
        raise PolicyError(msg, source=str(folder)) from error


def read_comparison(path: Path) -> dict[str, Any]:
    """Returns the content of a comparison.json, or of that in a folder.

    Raises:
        ParseError: the file cannot be read, or is not the JSON of a comparison.
    """
    file = path / DATA if path.is_dir() else path
    try:
        with closing(open_path(str(file))) as stream:
            text = full(stream, MAX_BYTES + 1)
        content = json.loads(text) if len(text) <= MAX_BYTES else None
    except OSError as error:
        reason = error.strerror or error
        msg = f"{reason}; expected the folder of a report, or its {DATA}. Check the path."
        raise ParseError(msg, source=str(file)) from error
    except (ValueError, RecursionError) as error:
        msg = f"not JSON; expected the {DATA} that `harness compare --report DIR` writes"
        raise ParseError(msg, source=str(file)) from error
    if not isinstance(content, dict) or not isinstance(content.get("verdict"), str):
        what = f"more than {size(MAX_BYTES)}" if content is None else "not the JSON of a comparison"
        msg = f"{what}; expected the {DATA} that `harness compare --report DIR` writes"
        raise ParseError(msg, source=str(file))
    return content
