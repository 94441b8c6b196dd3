"""Weights to start from, by local path or by a name that mmengine can download."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn


class PretrainedError(RuntimeError):
    """The weights to start from cannot be had or do not belong to this network."""


def load_pretrained(module: nn.Module, source: str, *, prefix: str = "") -> None:
    """Load the weights that `source` names into `module`.

    `source` is a file or a name of mmengine's ('open-mmlab://resnet50_v1c', a URL). Keys starting
    with `prefix` are taken without it, so that the file may hold the whole network. Entries beyond
    the module's (the classifier of ImageNet) are left out; an entry that is missing is an error.
    """
    try:
        loaded = CheckpointLoader.load_checkpoint(source, map_location="cpu", logger="silent")
    except Exception as error:  # each backend of mmengine raises its own
        raise PretrainedError(
            f"cannot read the pretrained weights {source!r} ({type(error).__name__}: {error}). "
            "Give a local file (--cfg-options model.pretrained=FILE) or start from random weights "
            "(--cfg-options model.pretrained=None)."
        ) from error
    state = loaded.get("state_dict", loaded)
    if prefix and any(key.startswith(prefix) for key in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    try:
        result = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise PretrainedError(f"{source!r} has other shapes than this network: {error}") from error
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
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
