"""Checks recordings: their figures against their hashes and, if present, against the logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import BaselineError
from harness.log.facts import OF_A_START
from harness.log.run import Run, Series, same_series
from harness.log.wording import counted
from harness.storage.baselines import (
    checked_figures,
    load_runs,
    recorded_spread,
    spread_of,
)
from harness.storage.logs import expand, read_runs
from harness.storage.recording import Recording
from harness.storage.replaced import chain_lines
from harness.storage.shelf import TOML

RUN = " [run "
"""Separates the name of a table from the label of a run in it."""


def verify(recording: Recording, *, logs: Path | None = None) -> list[str]:
    """Checks a recording, and returns a line for each check that passed.

    Each source log in `logs`, by default the recording's folder, is read again: its hash, series
    and facts must equal the recorded ones. A log in the recording's folder that is not recorded is
    an error, because an entry was removed. Of a recording that replaces others, the seals of those
    beside it are checked.

    Raises:
        BaselineError: something differs from the recording.
        ParseError: a log cannot be read.
    """
    checked_figures(recording)
    runs = load_runs(recording)
    _check_floor(recording, runs)
    lines = [f"{recording.name}: facts and figures are as recorded, {counted(len(runs), 'run')}"]
    folder = logs or recording.folder
    by_log: dict[str, list[Run]] = {}
    for entry, run in zip(recording.meta["runs"], runs, strict=True):
        log = str(entry["log"]).partition(RUN)[0]
        by_log.setdefault(str(Path(entry.get("folder", "")) / log), []).append(run)
    for log, recorded in by_log.items():
        path = folder / log
        if not (path.is_file() or path.is_dir()):
            lines.append(f"{recording.name}: {log} is not here; its hash was not checked")
            continue
        _check_log(path, recorded)
        lines.append(f"{recording.name}: {log} is the log that was recorded")
    lines += chain_lines(recording)
    if logs is None:
        _check_none_is_cut(recording, by_log)
    return lines


def _check_floor(recording: Recording, runs: Sequence[Run]) -> None:
    """Compares the recorded noise floor with that of the runs, to the 6 digits of `_rounded`."""
    recorded, computed = recorded_spread(recording), spread_of(runs)
    same = (recorded is None) == (computed is None)
    if recorded is not None and computed is not None:
        same = (recorded.metric, recorded.runs) == (computed.metric, computed.runs) and [
            (p.name, p.first_step, p.last_step, *_rounded(p.mean, p.run_spread, p.step_spread))
            for p in recorded.phases
        ] == [
            (p.name, p.first_step, p.last_step, *_rounded(p.mean, p.run_spread, p.step_spread))
            for p in computed.phases
        ]
    if not same:
        msg = "its noise_floor is not that of the recorded runs; record the baseline again"
        raise BaselineError(msg, source=str(recording.folder / TOML))


def _rounded(*values: float) -> tuple[str, ...]:
    """Returns values with 6 digits: the last digits of a mean differ between machines."""
    return tuple(f"{value:.6g}" for value in values)


def _check_log(path: Path, recorded: Sequence[Run]) -> None:
    """Reads a log again, and compares it with its recording."""
    by_hash = {run.sha256: run for run in read_runs(path)}
    for run in recorded:
        again = by_hash.get(run.sha256)
        if again is None:
            now = next(iter(by_hash))
            msg = f"SHA-256 is {now}, recorded was {run.sha256}: another log of this name"
            raise BaselineError(msg, source=str(path))
        if run.size_bytes != again.size_bytes:
            msg = f"has {again.size_bytes} bytes; recorded were {run.size_bytes}"
            raise BaselineError(msg, source=str(path))
        _check_facts(path, run.facts, again.facts)
        if not same_series(run.series, again.series) or _units(run) != _units(again):
            which = _first_other(run.series, again.series)
            msg = (
                f"gives other figures than were recorded: {which}. They were edited, or this "
                "version reads the log differently; record the baseline again"
            )
            raise BaselineError(msg, source=str(path))
    if len(recorded) != len(by_hash):
        msg = f"holds {len(by_hash)} runs, of which {len(recorded)} are recorded"
        raise BaselineError(msg, source=str(path))


def _check_facts(path: Path, recorded: Mapping[str, object], again: Mapping[str, object]) -> None:
    declared = {name for name in OF_A_START if name not in again}  # by `baseline add --same-start`
    names = sorted({*recorded, *again} - declared)
    different = [name for name in names if recorded.get(name) != again.get(name)]
    if different:
        name = different[0]
        before, now = (side.get(name, "nothing") for side in (recorded, again))
        msg = (
            f"states {name} = {now!r:.60}, recorded is {before!r:.60}. It was edited, or this "
            "version reads the log differently; record the baseline again"
        )
        raise BaselineError(msg, source=str(path))


def _units(run: Run) -> dict[tuple[str, int], str]:
    return {(series.key, series.rank): series.unit for series in run.series}


def _first_other(recorded: Sequence[Series], again: Sequence[Series]) -> str:
    left = {(s.key, s.rank): s for s in recorded}
    right = {(s.key, s.rank): s for s in again}
    for key, rank in [*left, *right]:
        before, now = left.get((key, rank)), right.get((key, rank))
        if before is None or now is None or not same_series([before], [now]):
            return f"{key} of rank {rank}"
    return "the units"


def _check_none_is_cut(recording: Recording, by_log: Mapping[str, object]) -> None:
    """Raises if a log beside a recording is not recorded, provided that any of them is."""
    if not any((recording.folder / log).is_file() for log in by_log):
        return
    paths = [Path(path) for path in expand(str(recording.folder))]
    known = {Path(log).name for log in by_log}
    left = [p.name for p in paths if p.name not in known and not p.name.startswith("series")]
    if left:
        msg = f"{', '.join(left[:5])} is beside {TOML} but not recorded in it"
        raise BaselineError(msg, source=str(recording.folder))
