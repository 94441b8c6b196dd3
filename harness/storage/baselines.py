"""Recorded runs on disk: opens, lists, reads and records them.

A recording is written whole or not at all: figures and `baseline.toml` are made beside their place
and brought onto the disk first. New figures get a name that no file there has, so the old recording
is whole until the new `baseline.toml` is renamed into its place, and the new one is whole then.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from harness.errors import AlignmentError, BaselineError, HarnessError
from harness.log.run import Run
from harness.log.shown import shown
from harness.stats.noise import NoiseFloor, from_meta, noise_floor, to_meta
from harness.storage.recording import (
    FORMAT_VERSION,
    RESTORE,
    SEAL,
    SERIES_NAME,
    TOML,
    Recording,
    check_meta,
    entry_of,
    figures_of,
    runs_of,
    seal_of,
    units_of,
)
from harness.system.toml_text import BASELINE_BYTES, TomlError, loads, read_toml
from harness.system.whole import guarded, move, replace_with, stays_inside, write_beside

PACK_ABOVE_BYTES = 1_000_000
FIGURES_BYTES = 1 << 30
"""Largest table of figures, unpacked: some 30 million records."""
UNPACK_MEMORY = 256 << 20


def is_recording(folder: Path) -> bool:
    """Whether a folder holds recorded runs."""
    try:
        return (folder / TOML).is_file()
    except OSError:
        return False  # reading it as logs will say why


def open_recording(folder: Path) -> Recording:
    """What a folder with recorded runs says of them.

    Raises:
        BaselineError: no such folder, or a `baseline.toml` that is damaged, edited, of another
            version, or not sealed.
    """
    recording = open_unsealed(folder)
    path, seal = str(folder / TOML), recording.meta.get(SEAL)
    if seal is None:
        msg = (
            "is not sealed: an older harness recorded it, or it was edited. Record it again, or "
            f"seal it as it is: harness baseline seal {folder.name}"
        )
        raise BaselineError(msg, source=path)
    if seal != seal_of(recording.meta):
        msg = f"was changed after it was recorded: its seal does not fit. {RESTORE}"
        raise BaselineError(msg, source=path)
    return recording


def open_unsealed(folder: Path) -> Recording:
    """As `open_recording`, whatever the seal.

    Raises:
        BaselineError: no such folder, or a `baseline.toml` that cannot be read.
    """
    path = folder / TOML
    if not is_recording(folder):
        names = ", ".join(f.name for f in recording_folders(folder.parent)) or "none"
        msg = f"no such baseline; recorded here: {names}. Record it with `harness baseline add`."
        raise BaselineError(msg, source=str(folder))
    try:
        meta, _ = read_toml(path, most_bytes=BASELINE_BYTES)
    except (TomlError, OSError) as error:
        msg = f"not a baseline.toml: {getattr(error, 'strerror', None) or error}. {RESTORE}"
        raise BaselineError(msg, source=str(path)) from error
    check_meta(meta, source=str(path))
    return Recording(folder=folder, meta=meta)


def recording_folders(folder: Path) -> list[Path]:
    """The folders of the recordings in a folder, by name, whole or damaged."""
    try:
        inner = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        path
        for path in inner
        if not path.name.startswith(".") and os.path.lexists(path / TOML)  # a damaged one, too
    ]


def record(
    folder: Path, runs: Sequence[Run], *, origin: str, description: str, replace: bool = False
) -> Recording:
    """Writes runs into a folder, which may hold no recording unless `replace` is set.

    Raises:
        BaselineError: the folder holds a recording already, there is no run, a run has no record,
            or the origin is empty.
        HarnessError: it cannot be written there; what was there is as it was.
    """
    if is_recording(folder) and not replace:
        msg = "recorded already; pass --replace to overwrite it, in a commit that says what moved"
        raise BaselineError(msg, source=str(folder))
    if not origin.strip():
        msg = "no origin; say where the logs come from: a URL, a command, a commit"
        raise BaselineError(msg, source=str(folder))
    empty = [run.source for run in runs if not any(len(series) for series in run.series)]
    if empty or not runs:
        msg = f"{empty[0]} holds no record" if empty else "no run is given; name at least one log"
        raise BaselineError(msg, source=str(folder))
    text = figures_of(runs)
    floor = spread_of(runs)
    meta = {
        "format_version": FORMAT_VERSION,
        "description": shown(description),
        "origin": shown(origin),
        "series": "series.csv.xz" if len(text) > PACK_ABOVE_BYTES else "series.csv",
        "series_sha256": hashlib.sha256(text).hexdigest(),
        "units": units_of(runs),
        **({"noise_floor": to_meta(floor)} if floor else {}),
        "runs": [entry_of(run) for run in runs],
    }
    guarded(folder, lambda where: _write(where, meta, text))
    return open_recording(folder)


def seal(folder: Path) -> Recording:
    """Seals a recording as it stands, figures checked by their hash.

    Raises:
        BaselineError: it cannot be read, or its figures are not those that were recorded.
    """
    recording = open_unsealed(folder)
    checked_figures(recording)
    guarded(folder / TOML, lambda path: replace_with(path, _sealed(recording.meta)))
    return open_recording(folder)


def _write(folder: Path, meta: dict[str, Any], text: bytes) -> None:
    """Puts a recording into a new folder at once, or into one that is there by two renames."""
    if folder.is_symlink():
        msg = "is a symbolic link, and nothing is written through one; remove it"
        raise HarnessError(msg, source=str(folder))
    if not folder.exists():
        stays_inside(folder.parent)
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = folder.with_name(f".{folder.name}.{token_hex(8)}")
        new.mkdir()
        try:
            _put(new, meta, text)
            move(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return
    old = _series_name(folder)
    if (folder / meta["series"]).exists() and not _holds(folder / meta["series"], text):
        suffix = meta["series"].removeprefix("series")
        meta = {**meta, "series": f"series-{meta['series_sha256'][:16]}{suffix}"}
    _put(folder, meta, text)
    for stale in {old, *_left_over(folder)} - {meta["series"], ""}:
        (folder / stale).unlink(missing_ok=True)


def _series_name(folder: Path) -> str:
    """The file of figures of the recording that a folder holds; empty if it holds none."""
    try:
        return str(open_unsealed(folder).meta["series"])
    except BaselineError:
        return ""


def _left_over(folder: Path) -> list[str]:
    """Figures under the names that only `record` gives: of a recording that was replaced."""
    return [p.name for p in folder.glob("series-*") if SERIES_NAME.fullmatch(p.name)]


def _put(folder: Path, meta: Mapping[str, Any], text: bytes) -> None:
    """Both files into a folder: made and on the disk first, then renamed, figures before."""
    name = str(meta["series"])
    figures = write_beside(folder / name, lzma.compress(text) if name.endswith(".xz") else text)
    try:
        toml = write_beside(folder / TOML, _sealed(meta))
        try:
            move(figures, folder / name)
            move(toml, folder / TOML)
        finally:
            toml.unlink(missing_ok=True)
    finally:
        figures.unlink(missing_ok=True)


def _sealed(meta: Mapping[str, Any]) -> bytes:
    """The `baseline.toml`, its seal first: what is cut off behind it does not fit any more."""
    import tomli_w  # noqa: PLC0415  (only recording needs it)

    body = tomli_w.dumps({key: value for key, value in meta.items() if key != SEAL})
    body = body.encode("utf-8", "replace").decode()  # half a surrogate pair has no place in TOML
    return f'{SEAL} = "{seal_of(loads(body))}"\n{body}'.encode()


def _holds(path: Path, text: bytes) -> bool:
    """Whether a file of figures is a file and holds these."""
    try:
        return not path.is_symlink() and _figures(path) == text
    except BaselineError:
        return False


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
    except (TypeError, KeyError, ValueError) as error:
        msg = f"its noise_floor cannot be read ({error}); record the baseline again"
        raise BaselineError(msg, source=str(recording.folder / TOML)) from error


def load_runs(recording: Recording) -> tuple[Run, ...]:
    """The recorded runs, bit for bit as the log had them.

    Raises:
        BaselineError: the figures are missing, or are not those that were recorded.
    """
    return runs_of(recording, checked_figures(recording))


def checked_figures(recording: Recording) -> bytes:
    """The table of figures, unpacked, with the hash that was recorded.

    Raises:
        BaselineError: they are missing, damaged, or others.
    """
    text = _figures(recording.series_path)
    found, expected = hashlib.sha256(text).hexdigest(), recording.meta["series_sha256"]
    if found != expected:
        msg = (
            f"SHA-256 of the figures is {found[:16]}..., {TOML} says {expected[:16]}...; "
            "restore both from version control, or record the baseline again"
        )
        raise BaselineError(msg, source=str(recording.series_path))
    return text


def _figures(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            msg = f"is no regular file. {RESTORE}"
            raise BaselineError(msg, source=str(path))
        with path.open("rb") as file:
            data = file.read(FIGURES_BYTES + 1)
        if path.suffix == ".xz":
            unpacker = lzma.LZMADecompressor(memlimit=UNPACK_MEMORY)
            data = unpacker.decompress(data, max_length=FIGURES_BYTES + 1)
            if not unpacker.eof and len(data) <= FIGURES_BYTES:
                msg = f"ends too early. {RESTORE}"
                raise BaselineError(msg, source=str(path))
    except (OSError, lzma.LZMAError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "out of memory"
        msg = f"cannot be read: {reason}. {RESTORE}"
        raise BaselineError(msg, source=str(path)) from error
    if len(data) > FIGURES_BYTES:
        msg = f"holds more than {FIGURES_BYTES >> 20} MiB of figures. {RESTORE}"
        raise BaselineError(msg, source=str(path))
    return data
