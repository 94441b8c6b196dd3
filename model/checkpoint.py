"""Checkpoints: written whole or not at all, read without running what is in them.

A file appears under its name only when all of it is on disk (temporary file, fsync, rename). It
holds tensors and plain values alone, so that `torch.load(weights_only=True)` reads it with no
exception to its list of safe types: mmengine's log histories are stored as lists. Checkpoints of
mmengine's own runner are read too, without those histories (`model.foreign`).
"""

import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from model.errors import CheckpointError
from model.foreign import reading_inertly, without_left_out
from model.registry import HOOKS

TEMPORARY = ".tmp"
_FOREIGN = re.compile(r"(?:GLOBAL|class|function) ([\w.]+)")
_NUMBERED = re.compile(r"(?:iter|epoch)_(\d+)\.pth")


def plain(value: Any) -> Any:
    """Returns the value in tensors, containers and plain numbers; log histories become lists."""
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {"values": values.tolist(), "counts": counts.tolist(), "max": value.max_length}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Makes checkpoints plain before they are saved, and mmengine's again after loading."""

    priority = "LOWEST"

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Replaces what `weights_only` refuses."""
        tensors = checkpoint["state_dict"]
        checkpoint.update(plain(checkpoint), state_dict=tensors)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Rebuilds the log histories; takes away what was not read."""
        kept = dict(without_left_out(checkpoint))
        checkpoint.clear()
        checkpoint.update(kept)
        hub = checkpoint.get("message_hub", {})
        scalars = hub.get("log_scalars", {})
        for name, history in scalars.items():
            scalars[name] = HistoryBuffer(history["values"], history["counts"], history["max"])
        there = {**scalars, **hub.get("runtime_info", {})}
        if "resumed_keys" in hub:
            hub["resumed_keys"] = {k: v for k, v in hub["resumed_keys"].items() if k in there}


def publish(temporary: Path, path: Path) -> None:
    """Gives a finished file its name, after its bytes and before the folder's entry are on disk."""
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Deletes what a killed run was writing."""
    for path in folder.glob(f"*.pth{TEMPORARY}"):
        path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Returns the whole checkpoint on the CPU; raises CheckpointError for an unusable file.

    Objects of mmengine's own runner are `LeftOut` in it (`model.foreign.remark` lists them).
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint here: {path}")
    try:
        if zipfile.is_zipfile(path):
            _check_sums(path)
        with reading_inertly():
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = _FOREIGN.search(str(error))
        what = f"it names {found[1]}" if found else "its pickle is damaged or names other things"
        raise CheckpointError(
            f"{path}: refused, nothing of it was run: a checkpoint may hold tensors and plain "
            f"values alone, and {what}; expected a checkpoint of this project or of mmengine, or "
            "published weights"
        ) from error
    except Exception as error:  # torch's unpickler raises whatever a damaged byte leads it to
        reason = str(error).partition("\n")[0]
        if not any(character.isalpha() for character in reason):  # the key of a KeyError
            reason = f"not a checkpoint of torch: {type(error).__name__} {reason}".rstrip()
        raise CheckpointError(f"{path}: damaged ({reason})") from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"{path}: holds a {type(checkpoint).__name__}; expected a dict")
    return checkpoint


def read_resumable(path: Path) -> dict[str, Any]:
    """Returns a checkpoint from which a run can go on; raises CheckpointError for weights alone."""
    checkpoint = read_checkpoint(path)
    for name in ("state_dict", "meta"):
        if not isinstance(checkpoint.get(name), dict):
            raise CheckpointError(f"{path}: has no {name}; expected a checkpoint of a training run")
    return checkpoint


def tensors_of(checkpoint: dict[str, Any], source: str | Path) -> dict[str, torch.Tensor]:
    """Returns the weights by name, of a whole checkpoint or of a file of weights alone."""
    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise CheckpointError(f"{source}: holds no weights; expected tensors by name")
    return dict(state)


def fault_of_shapes(error: RuntimeError) -> str:
    """Returns the first of torch's remarks on weights that do not fit, and how many there are."""
    lines = [line.strip() for line in str(error).splitlines()]
    faults = [line for line in lines[1:] if line] or lines
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return faults[0].rstrip(".") + more


def _check_sums(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if (bad := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {bad}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search for a checkpoint came to: the newest whole one, and those passed over."""

    path: Path | None
    damaged: tuple[str, ...]


def newest_whole(folder: Path) -> Found:
    """Returns the newest checkpoint in a folder that can be read, by number of its step."""
    damaged: list[str] = []
    for path in _newest_first(folder):
        try:
            read_resumable(path)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        return Found(path=path, damaged=tuple(damaged))
    return Found(path=None, damaged=tuple(damaged))


def _newest_first(folder: Path) -> Iterator[Path]:
    numbered = [
        (int(match[1]), path)
        for path in (folder.glob("*.pth") if folder.is_dir() else ())
        if (match := _NUMBERED.fullmatch(path.name))
    ]
    yield from (path for _, path in sorted(numbered, reverse=True))
