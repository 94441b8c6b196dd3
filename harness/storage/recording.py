"""The form of recorded runs: `baseline.toml` with facts and provenance, `series.csv` with figures.

A recorded run stands for its log: a third party's log stays out of the repository, its figures and
its hash come in. Reading a recording back gives the same bits. The seal in `baseline.toml` is a
hash over everything else in it, and so, by their hash, over the figures.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import BaselineError
from harness.log.facts import CONFIG, FACTS, RunFacts
from harness.log.run import Run, Series
from harness.log.shown import shown

FORMAT_VERSION = 1
TOML = "baseline.toml"
SEAL = "seal"
SERIES_NAME = re.compile(r"series(?:-[0-9a-f]{16})?\.csv(?:\.xz)?")
"""How a file of figures is called; `record` adds a part of the hash where the name is taken."""
_HASH = re.compile(r"[0-9a-f]{64}")
COLUMNS = ["run", "rank", "step", "name", "value"]
RESTORE = "Restore it from version control, or record it again."


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
        """The file of figures, packed where they are many."""
        return self.folder / str(self.meta["series"])


def seal_of(meta: Mapping[str, Any]) -> str:
    """The hash of everything in a `baseline.toml` but the seal, however it is laid out."""
    content = {key: value for key, value in meta.items() if key != SEAL}
    text = json.dumps(
        content, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()


def check_meta(meta: Mapping[str, Any], *, source: str) -> None:
    """Nothing, where a `baseline.toml` has the keys and types that this version reads.

    Raises:
        BaselineError: it is of another version, or something in it is missing or does not fit.
    """
    wrong = next(_mistakes(meta), "")
    if wrong:
        raise BaselineError(f"{wrong}. {RESTORE}", source=source)


def _mistakes(meta: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong, the first thing alone to be looked at: what follows may rest on it."""
    yield from _version(meta)
    yield from _top(meta)
    for number, run in enumerate(meta["runs"], 1):
        yield from _entry(run, f"run {number}")


def _version(meta: Mapping[str, Any]) -> Iterator[str]:
    if "format_version" not in meta:
        yield "not a baseline.toml: it lacks format_version"
    found = meta["format_version"]
    if type(found) is not int or found != FORMAT_VERSION:
        yield f"format_version {found!r:.40}; this tool reads {FORMAT_VERSION}"
    missing = [key for key in ("series", "series_sha256", "runs") if key not in meta]
    if missing:
        yield f"lacks {', '.join(missing)}"


def _top(meta: Mapping[str, Any]) -> Iterator[str]:
    series, runs, units = meta["series"], meta["runs"], meta.get("units", {})
    for key in ("description", "origin"):
        if not isinstance(meta.get(key, ""), str):
            yield f"{key} is {meta[key]!r:.40}; expected text"
    if not isinstance(series, str) or not SERIES_NAME.fullmatch(series):
        yield f"series is {series!r:.60}; expected the name of a file here, such as series.csv"
    if not _is_hash(meta["series_sha256"]):
        yield f"series_sha256 is {meta['series_sha256']!r:.40}; expected 64 hexadecimal digits"
    if not isinstance(units, dict) or not all(isinstance(u, str) for u in units.values()):
        yield "units is no table of names and units"
    if not isinstance(meta.get("noise_floor", {}), dict):
        yield "noise_floor is no table"
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        yield "runs is no list of entries [[runs]]"


def _entry(run: Mapping[str, Any], which: str) -> Iterator[str]:
    missing = [key for key in ("log", "sha256", "size_bytes") if key not in run]
    if missing:
        yield f"{which} lacks {', '.join(missing)}"
    log, size = run["log"], run["size_bytes"]
    if not isinstance(log, str) or Path(log).name != log or "\0" in log:
        yield f"{which} has log = {log!r:.60}; expected the name of a file, without a folder"
    if run["sha256"] != "" and not _is_hash(run["sha256"]):
        yield f"{which} has sha256 = {run['sha256']!r:.40}; expected 64 hexadecimal digits"
    if type(size) is not int or not 0 <= size < 2**63:
        yield f"{which} has size_bytes = {size!r:.40}; expected a whole number of at least 0"
    for key in ("formats", "by_order"):
        names = run.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            yield f"{which} has {key} = {names!r:.40}; expected a list of names"
    facts, config = run.get("facts", {}), run.get("config", {})
    for key, table in (("facts", facts), ("config", config)):
        if not isinstance(table, dict):
            yield f"{which} has {key} = {table!r:.40}; expected a table"
        bad = next((name for name, value in table.items() if not _is_fact(value)), None)
        if bad is not None:
            yield f"{which} has {key}.{bad:.60} = {table[bad]!r:.40}; expected text or a number"
    unknown = next((name for name in facts if name not in FACTS), None)
    if unknown is not None:
        yield f"{which} has a fact {unknown!r:.60} that this version does not know: update it"


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_fact(value: object) -> bool:
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**63)


def entry_of(run: Run) -> dict[str, Any]:
    """What `baseline.toml` says of a run."""
    return {
        "log": Path(shown(run.source)).name,
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


def units_of(runs: Sequence[Run]) -> dict[str, str]:
    """The units of the series, by the name that their column has."""
    return {_column(s): s.unit for run in runs for s in run.series if s.unit}


def figures_of(runs: Sequence[Run]) -> bytes:
    """The tidy table of all runs; floats as repr has them, so that reading gives the same bits."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for index, run in enumerate(runs):
        for s in run.series:
            name, pairs = _column(s), zip(s.steps.tolist(), s.values.tolist(), strict=True)
            table.writerows([index, s.rank, step, name, repr(v)] for step, v in pairs)
    return out.getvalue().encode("utf-8", "backslashreplace")


def runs_of(recording: Recording, figures: bytes) -> tuple[Run, ...]:
    """The recorded runs, bit for bit as the log had them.

    Raises:
        BaselineError: the figures are no table of these runs.
    """
    source = str(recording.series_path)
    try:
        return _runs_of(recording, figures)
    except BaselineError:
        raise
    except Exception as error:  # pandas and numpy refuse in ways of their own
        msg = f"is no table of the recorded runs: {error!s:.200}. {RESTORE}"
        raise BaselineError(msg, source=source) from error


def _runs_of(recording: Recording, figures: bytes) -> tuple[Run, ...]:
    import pandas as pd  # noqa: PLC0415  (half a second, only recordings need it)

    kinds = {"run": np.int64, "rank": np.int64, "step": np.int64, "value": str, "name": str}
    table = pd.read_csv(io.BytesIO(figures), dtype=kinds, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        msg = f"has the columns {list(table.columns)!r:.100}; expected {COLUMNS}. {RESTORE}"
        raise BaselineError(msg, source=str(recording.series_path))
    table["value"] = [float(text) for text in table["value"]]  # correctly rounded, as repr wrote it
    entries = recording.meta["runs"]
    found = set(table["run"].unique().tolist())
    if found != set(range(len(entries))) or (table["rank"] < 0).any():
        msg = f"holds {len(found)} runs, {TOML} has {len(entries)}, or a rank below 0. {RESTORE}"
        raise BaselineError(msg, source=str(recording.series_path))
    units = recording.meta.get("units", {})
    runs = []
    for index, entry in enumerate(entries):
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


def _column(series: Series) -> str:
    """The name with its window, `loss` or `loss@10`; one that holds an `@` always has a window."""
    return f"{series.name}@{series.window}" if "@" in series.name else series.key


def _from_column(text: str) -> tuple[str, int]:
    """The name and the window that `_column` wrote."""
    name, _, window = text.rpartition("@")
    return (name, int(window)) if name and window.isdecimal() else (text, 1)


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
