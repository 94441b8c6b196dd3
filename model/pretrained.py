"""Weights to start from, by local path or by a name that mmengine can download."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from model.checkpoint import fault_of_shapes, read_checkpoint, tensors_of
from model.errors import CheckpointError
from model.foreign import reading_inertly, remark


class PretrainedError(CheckpointError):
    """The weights to start from cannot be had or do not belong to this network."""


def load_pretrained(
    module: nn.Module, source: str, *, prefix: str = "", added: str | None = None
) -> None:
    """Loads the weights that `source` names into `module`.

    `source` is a file or a name of mmengine's ('open-mmlab://resnet50_v1c', a URL). Keys starting
    with `prefix` are taken without it, so that the file may hold the whole network. Entries beyond
    the module's (the classifier of ImageNet) are left out; an entry that is missing is an error,
    unless it belongs to a part called `added`, which published weights do not have.
    """
    try:
        loaded = _load(source)
    except Exception as error:  # each backend of mmengine raises its own
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise PretrainedError(
            f"cannot read the pretrained weights {source!r} ({reason}). "
            "Give a local file (--cfg-options model.pretrained=FILE) or start from random weights "
            "(--cfg-options model.pretrained=None)."
        ) from error
    state = tensors_of(loaded, source)
    if (text := remark(loaded, source)) is not None:
        print_log(text, logger="current", level=logging.INFO)
    if prefix and any(key.startswith(prefix) for key in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    try:
        result = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise PretrainedError(
            f"{source!r} has other shapes than this network: {fault_of_shapes(error)}"
        ) from error
    missing = [
        key
        for key in result.missing_keys
        if not key.endswith("num_batches_tracked") and added not in key.split(".")
    ]
    if missing:
        raise PretrainedError(
            f"{source!r} lacks {len(missing)} of {len(module.state_dict())} entries, "
            f"the first {missing[0]!r}; expected the weights of this architecture."
        )
    if result.unexpected_keys:
        print_log(
            f"left out of {source}: {', '.join(result.unexpected_keys[:4])}"
            f" ({len(result.unexpected_keys)} entries that this network does not have)",
            logger="current",
            level=logging.INFO,
        )


def _load(source: str) -> dict[str, Any]:
    """Returns what the file or address holds; a file on this machine is checked first."""
    if Path(source).is_file():
        return read_checkpoint(Path(source))
    with reading_inertly():
        loaded = CheckpointLoader.load_checkpoint(source, map_location="cpu", logger="silent")
    if not isinstance(loaded, dict):
        raise CheckpointError(f"holds a {type(loaded).__name__}; expected a dict")
    return loaded
