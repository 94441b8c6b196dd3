"""The format of a recording: `baseline.toml` has facts and provenance, `series.csv` the figures.

A recording replaces logs that may not be published: it keeps their figures and hashes. Reading it
gives the same bits. The seal in `baseline.toml` is a hash of everything else in the file. The file
contains the hash of the figures, so the seal covers them too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BaselineError
from harness.log.facts import CONFIG, FACTS, RunFacts
from harness.log.run import Run, Series
from harness.log.shown import shown
from harness.storage.series_table import COLUMNS, Block, read_blocks
from harness.storage.shelf import TOML

FORMAT_VERSION = 1
SEAL = "seal"
SERIES_NAME = re.compile(r"series(?:-[0-9a-f]{16})?\.csv(?:\.xz)?")
"""The name of a file of figures. `record` adds a part of the hash if `series.csv` is in use."""
_HASH = re.compile(r"[0-9a-f]{64}")
TEXT: tuple[type, ...] = (str,)
NUMBER: tuple[type, ...] = (int, float)
COUNT: tuple[type, ...] = (int,)
EXPECTED = {TEXT: "text", NUMBER: "a number", COUNT: "a whole number"}
REPLACES = {
    **dict.fromkeys(("baseline", "by", "on", "reason", "verdict", "why", "metric"), TEXT),
    **dict.fromkeys(("old_mean", "new_mean"), NUMBER),
    **dict.fromkeys(("old_runs", "new_runs"), COUNT),
}
"""The keys of the table `replaces`, with the type of each. It also has the `seal` of a replaced
recording, or the list `sha256` of the replaced logs."""
RESTORE = "Restore it from version control, or record it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recorded baseline: its folder, and the content of its `baseline.toml`."""

    folder: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def series_path(self) -> Path:
        """The file of figures, compressed if large."""
        return self.folder / str(self.meta["series"])


def seal_of(meta: Mapping[str, Any]) -> str:
    """Returns the hash of a `baseline.toml` without its seal; layout and comments do not count."""
    content = {key: value for key, value in meta.items() if key != SEAL}
    text = json.dumps(
        content, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()


def check_meta(meta: Mapping[str, Any], *, source: str) -> None:
    """Raises unless a `baseline.toml` has the keys and types that this version reads.

    Raises:
        BaselineError: it has another version, or a key is missing or invalid.
    """
    wrong = next(_mistakes(meta), "")
    if wrong:
        raise BaselineError(f"{wrong}. {RESTORE}", source=source)


def _mistakes(meta: Mapping[str, Any]) -> Iterator[str]:
    """Yields mistakes. Only the first is valid: later checks assume that earlier ones passed."""
    yield from _version(meta)
    yield from _top(meta)
    for number, run in enumerate(meta["runs"], 1):
        yield from _entry(run, f"run {number}")


def _version(meta: Mapping[str, Any]) -> Iterator[str]:
    if "format_version" not in meta:
        yield "not a baseline.toml: it lacks format_version"
    version = meta["format_version"]
    if type(version) is not int or version != FORMAT_VERSION:
        yield f"format_version {version!r:.40}; this tool reads {FORMAT_VERSION}"
    missing = [key for key in ("series", "series_sha256", "runs") if key not in meta]
    if missing:
        yield f"lacks {', '.join(missing)}"


def _top(meta: Mapping[str, Any]) -> Iterator[str]:
    series, runs, units = meta["series"], meta["runs"], meta.get("units", {})
    for key in ("description", "origin"):
        if not isinstance(meta.get(key, ""), str):
            yield f"{key} is {meta[key]!r:.40}; expected text"
    if not isinstance(series, str) or not SERIES_NAME.fullmatch(series):
        yield f"series is {series!r:.60}; expected a file name such as series.csv, without a folder"
    if not _is_hash(meta["series_sha256"]):
        yield f"series_sha256 is {meta['series_sha256']!r:.40}; expected 64 hexadecimal digits"
    if not isinstance(units, dict) or not all(isinstance(u, str) for u in units.values()):
        yield "units is not a table of names and units"
    yield from _link(meta.get("replaces"))
    if not isinstance(meta.get("noise_floor", {}), dict):
        yield "noise_floor is not a table"
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        yield "runs is not a list of entries [[runs]]"


def _link(link: object) -> Iterator[str]:
    """Yields mistakes of the table on the recording that this one replaces, if there is one."""
    if link is None:
        return
    if not isinstance(link, dict):
        yield "replaces is not a table"
        return
    for key, kinds in REPLACES.items():
        value = link.get(key)
        if isinstance(value, bool) or not isinstance(value, kinds):
            yield f"replaces.{key} is {value!r:.40}; expected {EXPECTED[kinds]}"
    if "seal" in link and not _is_hash(link["seal"]):
        yield f"replaces.seal is {link['seal']!r:.40}; expected 64 hexadecimal digits"
    hashes = link.get("sha256", [])
    if not isinstance(hashes, list) or not all(map(_is_hash, hashes)):
        yield f"replaces.sha256 is {hashes!r:.40}; expected a list of hashes"


def _entry(run: Mapping[str, Any], which: str) -> Iterator[str]:
    missing = [key for key in ("log", "sha256", "size_bytes") if key not in run]
    if missing:
        yield f"{which} lacks {', '.join(missing)}"
    log, size = run["log"], run["size_bytes"]
    if not isinstance(log, str) or Path(log).name != log or "\0" in log:
        yield f"{which} has log = {log!r:.60}; expected a file name, without a folder"
    folder = run.get("folder", "")
    if not isinstance(folder, str) or Path(folder).name != folder or "\0" in folder:
        yield f"{which} has folder = {folder!r:.60}; expected the name of a folder"
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
        yield f"{which} has the fact {unknown!r:.60}, unknown to this version; update the harness"


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_fact(value: object) -> bool:
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**63)


def entries_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Returns the entries of runs in `baseline.toml`.

    Logs of the same name are told apart by the sub-folders in which they lie.
    """
    paths = [Path(shown(run.source)) for run in runs]
    names = [path.name for path in paths]
    root = Path(os.path.commonpath([path.parent for path in paths])) if len(paths) > 1 else Path()
    apart = [path.parent.relative_to(root) for path in paths] if len(paths) > 1 else []
    told = len(set(names)) < len(names) and all(len(folder.parts) <= 1 for folder in apart)
    return [
        _entry_of(run, path.name, apart[i].name if told else "")
        for i, (run, path) in enumerate(zip(runs, paths, strict=True))
    ]


def _entry_of(run: Run, log: str, folder: str) -> dict[str, Any]:
    return {
        "log": log,
        **({"folder": folder} if folder else {}),
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
    """Returns the units of the series, by their names in the table of figures."""
    return {_column(s): s.unit for run in runs for s in run.series if s.unit}


def figures_of(runs: Sequence[Run]) -> bytes:
    """Returns the tidy table of all runs; floats are written by `repr`, which keeps all bits."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for index, run in enumerate(runs):
        for s in run.series:
            name, pairs = _column(s), zip(s.steps.tolist(), s.values.tolist(), strict=True)
            table.writerows([index, s.rank, step, name, repr(v)] for step, v in pairs)
    return out.getvalue().encode("utf-8", "backslashreplace")


def runs_of(recording: Recording, figures: bytes) -> tuple[Run, ...]:
    """Returns the recorded runs, with the bits that were read from the logs.

    Raises:
        BaselineError: the figures are not a table of these runs.
    """
    source = str(recording.series_path)
    try:
        blocks = read_blocks(figures)
        _check_runs(recording, blocks)
        return tuple(
            _run(recording, entry, [block for block in blocks if block.run == index])
            for index, entry in enumerate(recording.meta["runs"])
        )
    except (ValueError, OverflowError, csv.Error) as error:
        msg = f"is not a table of the recorded runs: {error!s:.200}. {RESTORE}"
        raise BaselineError(msg, source=source) from error


def _check_runs(recording: Recording, blocks: Sequence[Block]) -> None:
    numbers, entries = {block.run for block in blocks}, recording.meta["runs"]
    if numbers != set(range(len(entries))) or any(block.rank < 0 for block in blocks):
        msg = f"holds {len(numbers)} runs, {TOML} has {len(entries)}, or a rank below 0. {RESTORE}"
        raise BaselineError(msg, source=str(recording.series_path))


def _run(recording: Recording, entry: Mapping[str, Any], blocks: Sequence[Block]) -> Run:
    units = recording.meta.get("units", {})
    config = {CONFIG + key: value for key, value in entry.get("config", {}).items()}
    return Run(
        source="/".join(filter(None, (recording.name, entry.get("folder"), entry["log"]))),
        series=tuple(_series(block, units) for block in blocks),
        facts=RunFacts(values_by_name={**entry.get("facts", {}), **config}),
        formats=tuple(entry.get("formats", ())),
        by_order=tuple(entry.get("by_order", ())),
        sha256=entry["sha256"],
        size_bytes=entry["size_bytes"],
    )


def _column(series: Series) -> str:
    """Returns the name with its window; a name with an `@` always gets a window."""
    return f"{series.name}@{series.window}" if "@" in series.name else series.key


def _from_column(text: str) -> tuple[str, int]:
    """Returns the name and the window that `_column` wrote."""
    name, _, window = text.rpartition("@")
    return (name, int(window)) if name and window.isdecimal() else (text, 1)


def _series(block: Block, units: Mapping[str, str]) -> Series:
    name, window = _from_column(block.name)
    return Series(
        name=name,
        rank=block.rank,
        window=window,
        unit=units.get(block.name, ""),
        steps=block.steps,
        values=block.values,
    )
