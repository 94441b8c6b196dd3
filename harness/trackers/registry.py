"""The trackers whose runs have names: `SCHEME:REST`, wherever a log may be named.

mlflow:port/seed_1        mlflow:runs/mlflow.db!port        (an experiment gives all its runs)
tensorboard:runs          wandb:wandb/latest-run            (a log folder, or a folder of runs)
trackio:port/seed_1       swanlab:swanlog                   (a project, a folder: all its runs)
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from harness.errors import ParseError
from harness.log.run import Run
from harness.trackers.gathering import sealed

TRACKERS: Mapping[str, str] = MappingProxyType(
    {
        "mlflow": "harness.trackers.mlflow",
        "swanlab": "harness.trackers.swanlab",
        "tensorboard": "harness.trackers.tensorboard",
        "trackio": "harness.trackers.trackio",
        "wandb": "harness.trackers.wandb",
    }
)
"""The module of each tracker by its scheme.

A module has `read(where, *, source)`, which returns the runs that the text behind the scheme names,
in a defined order. `source` is the whole name, for messages and for `Run.source`.
"""
NAMED_BY_PATH: frozenset[str] = frozenset({"swanlab", "tensorboard", "wandb"})
"""Trackers whose names are paths; in those of the others, a path ends with `!`."""
INSIDE = "!"
"""Separates the path of a store from the name of a run in it."""


def tracker_of(spec: str) -> str:
    """Returns the scheme of a name of a tracker's run; empty if the text is no such name.

    >>> tracker_of("mlflow:port/seed_1"), tracker_of("runs/mlflow.db"), tracker_of("s3://b/a.log")
    ('mlflow', '', '')
    """
    scheme, colon, _ = spec.partition(":")
    scheme = scheme.lower()
    return scheme if colon and scheme in TRACKERS else ""


def from_folder(spec: str, folder: Path) -> str:
    """Returns a name of a tracker's run whose relative path starts from a folder.

    >>> from_folder("mlflow:mlflow.db!port", Path("ports"))
    'mlflow:ports/mlflow.db!port'
    """
    scheme, _, where = spec.partition(":")
    path, mark, rest = where.partition(INSIDE)
    is_path = bool(mark) or scheme.lower() in NAMED_BY_PATH
    if not is_path or not path or "://" in path or folder == Path():
        return spec
    return f"{scheme}:{folder / path}{mark}{rest}"


def read_tracker(spec: str) -> tuple[Run, ...]:
    """Returns the runs that a name of a tracker gives, each with the hash of its content.

    Raises:
        ParseError: nothing is named, or the tracker's store or the run cannot be read.
    """
    scheme, _, where = spec.partition(":")
    if not where.strip():
        msg = f"nothing behind {scheme}:; expected the name of a run (docs: read from a tracker)"
        raise ParseError(msg, source=spec)
    module = import_module(TRACKERS[scheme.lower()])
    runs: tuple[Run, ...] = module.read(where, source=spec)
    return tuple(map(sealed, runs))
