"""Opens, reads and writes recorded baselines.

A recording is written atomically. The figures and `baseline.toml` are first written beside their
place and synced to disk. The new figures get a file name that is not in use, so the old recording
stays intact until the new `baseline.toml` is renamed into place.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from harness.align.start import PERTURBED
from harness.errors import AlignmentError, BaselineError, HarnessError
from harness.log.run import Run
from harness.log.shown import shown
from harness.stats.noise import NoiseFloor, from_meta, noise_floor, to_meta
from harness.storage.recording import (
    FORMAT_VERSION,
    RESTORE,
    SEAL,
    SERIES_NAME,
    Recording,
    check_meta,
    entries_of,
    figures_of,
    runs_of,
    seal_of,
    units_of,
)
from harness.storage.shelf import TOML, recording_folders
from harness.system.toml_text import BASELINE_BYTES, TomlError, loads, read_toml
from harness.system.whole import guarded, move, replace_with, stays_inside, write_beside

PACK_ABOVE_BYTES = 1_000_000
FIGURES_BYTES = 1 << 30
"""Largest decompressed table of figures, enough for about 30 million records."""
UNPACK_MEMORY = 256 << 20
"""Most memory that decompression may use, in bytes."""


def is_recording(folder: Path) -> bool:
    """Returns whether a folder holds a recorded baseline."""
    try:
        return (folder / TOML).is_file()
    except OSError:
        return False  # the caller then reads it as a log, which reports the error


def open_recording(folder: Path) -> Recording:
    """Returns the recording in a folder.

    Raises:
        BaselineError: there is no such folder, or its `baseline.toml` is damaged, edited, of
            another version, or not sealed.
    """
    recording = open_unsealed(folder)
    path, seal = str(folder / TOML), recording.meta.get(SEAL)
    if seal is None:
        msg = (
            "is not sealed: an older harness recorded it, or it was edited. Record it again, or "
            f"seal its present content: harness baseline seal {folder.name}"
        )
        raise BaselineError(msg, source=path)
    if seal != seal_of(recording.meta):
        msg = f"was changed after it was recorded: its seal does not match. {RESTORE}"
        raise BaselineError(msg, source=path)
    return recording


def open_unsealed(folder: Path) -> Recording:
    """Returns the recording in a folder without checking its seal.

    Raises:
        BaselineError: there is no such folder, or its `baseline.toml` cannot be read.
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


def record(
    folder: Path,
    runs: Sequence[Run],
    *,
    origin: str,
    description: str,
    replace: bool = False,
    replaces: Mapping[str, Any] | None = None,
) -> Recording:
    """Records runs in a folder, and returns the recording.

    `replaces` is the table on the recording that this one replaces; see `harness/storage/replaced`.

    Raises:
        BaselineError: the folder holds a recording and `replace` is not set, there is no run, a
            run has no record, or the origin is empty.
        HarnessError: the folder cannot be written; its content is unchanged.
    """
    if is_recording(folder) and not replace:
        msg = "already recorded; pass --replace to overwrite it, and commit the change separately"
        raise BaselineError(msg, source=str(folder))
    if not origin.strip():
        msg = "the origin is empty; state where the logs come from: a URL, a command, a commit"
        raise BaselineError(msg, source=str(folder))
    empty = [run.source for run in runs if not any(len(series) for series in run.series)]
    if empty or not runs:
        msg = f"{empty[0]} holds no record" if empty else "no run was passed; name a log"
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
        **({"replaces": dict(replaces)} if replaces else {}),
        **({"noise_floor": to_meta(floor)} if floor else {}),
        "runs": entries_of(runs),
    }
    guarded(folder, lambda where: _write(where, meta, text))
    return open_recording(folder)


def seal(folder: Path) -> Recording:
    """Seals a recording with its present content, and returns it.

    Raises:
        BaselineError: the recording cannot be read, or its figures do not match their hash.
    """
    recording = open_unsealed(folder)
    checked_figures(recording)
    guarded(folder / TOML, lambda path: replace_with(path, _sealed(recording.meta)))
    return open_recording(folder)


def _write(folder: Path, meta: dict[str, Any], text: bytes) -> None:
    """Writes a recording: into a new folder by one rename, into an existing folder by two."""
    if folder.is_symlink():
        msg = "is a symbolic link, and nothing is written through it; remove the link"
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
    # the old recording needs its figures until the new `baseline.toml` is in place
    if (folder / meta["series"]).exists() and not _holds(folder / meta["series"], text):
        suffix = meta["series"].removeprefix("series")
        meta = {**meta, "series": f"series-{meta['series_sha256'][:16]}{suffix}"}
    _put(folder, meta, text)
    for stale in {old, *_left_over(folder)} - {meta["series"], ""}:
        (folder / stale).unlink(missing_ok=True)


def _series_name(folder: Path) -> str:
    """Returns the name of the file of figures in a folder; empty if it holds no recording."""
    try:
        return str(open_unsealed(folder).meta["series"])
    except BaselineError:
        return ""


def _left_over(folder: Path) -> list[str]:
    """Returns the files of figures that replaced recordings left in a folder."""
    return [p.name for p in folder.glob("series-*") if SERIES_NAME.fullmatch(p.name)]


def _put(folder: Path, meta: Mapping[str, Any], text: bytes) -> None:
    """Writes both files beside their places and syncs them, then renames the figures, the TOML."""
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
    """Returns the `baseline.toml`. Its seal comes first, so that a file that is cut off fails."""
    import tomli_w  # noqa: PLC0415  (only recording needs it)

    body = tomli_w.dumps({key: value for key, value in meta.items() if key != SEAL})
    body = body.encode("utf-8", "replace").decode()  # TOML cannot hold a lone surrogate
    return f'{SEAL} = "{seal_of(loads(body))}"\n{body}'.encode()


def _holds(path: Path, text: bytes) -> bool:
    """Returns whether a path is a regular file with these figures."""
    try:
        return not path.is_symlink() and _figures(path) == text
    except BaselineError:
        return False


def spread_of(runs: Sequence[Run]) -> NoiseFloor | None:
    """Returns the noise floor of the runs' loss; None for one run, or without a common loss.

    Perturbed runs of a given start do not differ by seed, so they do not count.
    """
    try:
        return noise_floor([run for run in runs if PERTURBED not in run.facts])
    except AlignmentError:
        return None


def recorded_spread(recording: Recording) -> NoiseFloor | None:
    """Returns the recorded noise floor; None if the recording has none.

    Raises:
        BaselineError: the noise floor is damaged.
    """
    if "noise_floor" not in recording.meta:
        return None
    try:
        return from_meta(recording.meta["noise_floor"])
    except (TypeError, KeyError, ValueError) as error:
        msg = f"its noise_floor cannot be read ({error}); record the baseline again"
        raise BaselineError(msg, source=str(recording.folder / TOML)) from error


def load_runs(recording: Recording) -> tuple[Run, ...]:
    """Returns the recorded runs, with the bits that were read from the logs.

    Raises:
        BaselineError: the figures are missing, or do not match their hash.
    """
    return runs_of(recording, checked_figures(recording))


def checked_figures(recording: Recording) -> bytes:
    """Returns the decompressed table of figures, after checking its hash.

    Raises:
        BaselineError: the figures are missing, damaged, or do not match their hash.
    """
    text = _figures(recording.series_path)
    actual, expected = hashlib.sha256(text).hexdigest(), recording.meta["series_sha256"]
    if actual != expected:
        msg = (
            f"SHA-256 of the figures is {actual[:16]}..., {TOML} states {expected[:16]}...; "
            "restore both from version control, or record the baseline again"
        )
        raise BaselineError(msg, source=str(recording.series_path))
    return text


def _figures(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            msg = f"is not a regular file. {RESTORE}"
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
