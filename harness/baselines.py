"""Recorded runs on disk: `baseline.toml` with facts and provenance, `series.csv` with figures.

A recorded run stands for its log: a third party's log stays out of the repository, its figures and
its hash come in. Reading a recording back gives the same bits.
"""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.curve import Run, Series
from harness.errors import AlignmentError, BaselineError
from harness.facts import CONFIG, RunFacts
from harness.noise import NoiseFloor, from_meta, noise_floor, to_meta

FORMAT_VERSION = 1
TOML = "baseline.toml"
PACK_ABOVE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A folder with recorded runs, and what its `baseline.toml` says."""

    folder: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def series_path(self) -> Path:
        """`series.csv`, or `series.csv.xz` where it is large."""
        return self.folder / str(self.meta["series"])


def is_recording(folder: Path) -> bool:
    """Whether a folder holds recorded runs."""
    try:
        return (folder / TOML).is_file()
    except OSError:
        return False  # reading it as logs will say why


def open_recording(folder: Path) -> Recording:
    """What a folder with recorded runs says of them.

    Raises:
        BaselineError: no such folder, or a `baseline.toml` that is damaged or of another version.
    """
    path = folder / TOML
    if not path.is_file():
        names = ", ".join(r.name for r in list_recordings(folder.parent)) or "none"
        msg = f"no such baseline; recorded here: {names}. Record it with `harness baseline add`."
        raise BaselineError(msg, source=str(folder))
    try:
        meta = tomllib.loads(path.read_text(encoding="utf-8"))
        if meta["format_version"] != FORMAT_VERSION:
            msg = f"format_version {meta['format_version']}; this tool reads {FORMAT_VERSION}"
            raise BaselineError(msg, source=str(path))
        missing = [key for key in ("series", "series_sha256", "runs") if key not in meta]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        msg = f"not a baseline.toml: {error}. Restore it from version control."
        raise BaselineError(msg, source=str(path)) from error
    if missing:
        msg = f"lacks {', '.join(missing)}. Restore it from version control."
        raise BaselineError(msg, source=str(path))
    return Recording(folder=folder, meta=meta)


def list_recordings(folder: Path) -> list[Recording]:
    """The recordings in a folder, by name."""
    if not folder.is_dir():
        return []
    return [open_recording(path) for path in sorted(folder.iterdir()) if is_recording(path)]


def record(
    folder: Path, runs: Sequence[Run], *, origin: str, description: str, replace: bool = False
) -> Recording:
    """Writes runs into a folder, which must be new unless `replace` is set.

    Raises:
        BaselineError: the folder holds a recording already, or a run has no record.
    """
    if is_recording(folder) and not replace:
        msg = "recorded already; pass --replace to overwrite it, in a commit that says what moved"
        raise BaselineError(msg, source=str(folder))
    import tomli_w  # noqa: PLC0415  (only recording needs it)

    folder.mkdir(parents=True, exist_ok=True)
    text = _csv(runs)
    packed = len(text) > PACK_ABOVE_BYTES
    name = "series.csv.xz" if packed else "series.csv"
    for stale in ("series.csv", "series.csv.xz"):
        (folder / stale).unlink(missing_ok=True)
    (folder / name).write_bytes(lzma.compress(text) if packed else text)
    floor = spread_of(runs)
    units = {_column(s): s.unit for run in runs for s in run.series if s.unit}
    meta = {
        "format_version": FORMAT_VERSION,
        "description": description,
        "origin": origin,
        "series": name,
        "series_sha256": hashlib.sha256(text).hexdigest(),
        "units": units,
        **({"noise_floor": to_meta(floor)} if floor else {}),
        "runs": [_run_entry(run) for run in runs],
    }
    (folder / TOML).write_text(tomli_w.dumps(meta), encoding="utf-8")
    return open_recording(folder)


def spread_of(runs: Sequence[Run]) -> NoiseFloor | None:
    """The noise floor of the runs' loss; None where one run, or no common loss, shows none."""
    try:
        return noise_floor(runs)
    except AlignmentError:
        return None


def recorded_spread(recording: Recording) -> NoiseFloor | None:
    """The noise floor that was recorded; None if none was.

    Raises:
        BaselineError: it is damaged.
    """
    if "noise_floor" not in recording.meta:
        return None
    try:
        return from_meta(recording.meta["noise_floor"])
    except (TypeError, KeyError) as error:
        msg = f"its noise_floor cannot be read ({error}); record the baseline again"
        raise BaselineError(msg, source=str(recording.folder / TOML)) from error


def _run_entry(run: Run) -> dict[str, Any]:
    return {
        "log": Path(run.source).name,
        "sha256": run.sha256,
        "size_bytes": run.size_bytes,
        "formats": list(run.formats),
        **({"by_order": list(run.by_order)} if run.by_order else {}),
        "facts": run.facts.named(),
        "config": {
            name.removeprefix(CONFIG): value
            for name, value in run.facts.items()
            if name.startswith(CONFIG)
        },
    }


def _csv(runs: Sequence[Run]) -> bytes:
    """The tidy table of all runs; floats as repr has them, so that reading gives the same bits."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["run", "rank", "step", "name", "value"])
    for index, run in enumerate(runs):
        for s in run.series:
            name, pairs = _column(s), zip(s.steps.tolist(), s.values.tolist(), strict=True)
            table.writerows([index, s.rank, step, name, repr(v)] for step, v in pairs)
    return out.getvalue().encode()


def _column(series: Series) -> str:
    """The name with its window, `loss` or `loss@10`; one that holds an `@` always has a window."""
    return f"{series.name}@{series.window}" if "@" in series.name else series.key


def _from_column(text: str) -> tuple[str, int]:
    """The name and the window that `_column` wrote."""
    name, _, window = text.rpartition("@")
    return (name, int(window)) if name and window.isdecimal() else (text, 1)


def load_runs(recording: Recording) -> tuple[Run, ...]:
    """The recorded runs, bit for bit as the log had them.

    Raises:
        BaselineError: the figures are missing, or are not those that were recorded.
    """
    import pandas as pd  # noqa: PLC0415  (half a second, only recordings need it)

    figures = io.BytesIO(_checked_figures(recording))
    table = pd.read_csv(figures, dtype={"value": str, "name": str}, keep_default_na=False)
    table["value"] = [float(text) for text in table["value"]]  # correctly rounded, as repr wrote it
    units = recording.meta.get("units", {})
    runs = []
    for index, entry in enumerate(recording.meta["runs"]):
        rows = table[table["run"] == index]
        groups: Any = rows.groupby(["rank", "name"], sort=False)
        series = tuple(
            _series(str(key), int(rank), part["step"].to_numpy(), part["value"], units)
            for (rank, key), part in groups
        )
        config = {CONFIG + key: value for key, value in entry.get("config", {}).items()}
        runs.append(
            Run(
                source=f"{recording.name}/{entry['log']}",
                series=series,
                facts=RunFacts(values_by_name={**entry.get("facts", {}), **config}),
                formats=tuple(entry.get("formats", ())),
                by_order=tuple(entry.get("by_order", ())),
                sha256=entry["sha256"],
                size_bytes=entry["size_bytes"],
            )
        )
    return tuple(runs)


def _series(key: str, rank: int, steps: Any, values: Any, units: Mapping[str, str]) -> Series:
    name, window = _from_column(key)
    return Series(
        name=name,
        rank=rank,
        window=window,
        unit=units.get(key, ""),
        steps=steps,
        values=np.asarray(values, dtype=np.float64),
    )


def _checked_figures(recording: Recording) -> bytes:
    path = recording.series_path
    try:
        data = path.read_bytes()
        text = lzma.decompress(data) if path.suffix == ".xz" else data
    except (OSError, lzma.LZMAError) as error:
        msg = f"cannot be read: {error}. Restore it from version control."
        raise BaselineError(msg, source=str(path)) from error
    found, expected = hashlib.sha256(text).hexdigest(), recording.meta["series_sha256"]
    if found != expected:
        msg = (
            f"SHA-256 of the figures is {found[:16]}..., {TOML} says {expected[:16]}...; "
            "restore both from version control, or record the baseline again"
        )
        raise BaselineError(msg, source=str(path))
    return text


def verify(recording: Recording, *, logs: Path | None = None) -> list[str]:
    """What was checked, one line each: the figures, and every source log found in `logs`.

    Raises:
        BaselineError: something is not what was recorded.
    """
    _checked_figures(recording)
    lines = [f"{recording.name}: figures are as recorded"]
    for entry in recording.meta["runs"]:
        path = (logs or recording.folder) / entry["log"]
        if not path.is_file():
            lines.append(f"{recording.name}: {entry['log']} is not here, its hash was not checked")
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry["sha256"]:
            msg = f"SHA-256 is {found}, recorded was {entry['sha256']}: another log of this name"
            raise BaselineError(msg, source=str(path))
        lines.append(f"{recording.name}: {entry['log']} is the log that was recorded")
    return lines
