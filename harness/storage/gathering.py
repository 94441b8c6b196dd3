"""Gathers the runs of logs that are to be recorded together as a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.align.start import declared
from harness.errors import PolicyError
from harness.log.run import Run
from harness.quality.runset import mixed
from harness.storage.inputs import one_side
from harness.storage.logs import expand, read_all
from harness.storage.recording import SERIES_NAME
from harness.storage.shelf import TOML
from harness.system.filenames import shortened, unfit


def check_name(name: str) -> None:
    """Refuses the name of a baseline that cannot be a folder's.

    Raises:
        PolicyError: it cannot.
    """
    reason = unfit(name)
    if reason:
        msg = f"{shortened(name)!r} cannot name a folder: it {reason}; use letters, digits, -, _"
        raise PolicyError(msg)


def gathered(
    logs: Sequence[str], *, same_start: bool = False, pattern: str | None = None
) -> list[Run]:
    """Returns the runs of logs, of which each may be a glob or a folder.

    `series.csv` of a recording in the same folder is not a log.

    Raises:
        ParseError: a log cannot be read.
        PolicyError: the runs are not one experiment.
    """
    paths = [
        path
        for spec in logs
        for path in expand(spec)
        if not (SERIES_NAME.fullmatch(Path(path).name) and Path(path).with_name(TOML).is_file())
    ]
    read = read_all(paths, pattern=pattern)
    runs = [run for path, found in read for run in one_side(found, path)]
    if same_start:
        runs = list(declared(runs, metric="loss"))
    mixture = mixed(runs, allow=("precision",) if same_start else ())
    if mixture:
        msg = f"the runs are not one experiment: {mixture}; record each experiment separately"
        raise PolicyError(msg)
    return runs
