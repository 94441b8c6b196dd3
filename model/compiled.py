"""The training step by torch.compile, as `compile` of a config says.

mmengine compiles its `train_step`, which also handles samples and optimizers: that is compiled anew
in each step, since each sample has another path, and its losses differed at the second step. Here
the function of tensors alone is compiled: from images and labels to losses, with the pass back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from model.errors import ConfigError


def compile_step(network: nn.Module, setting: Any) -> None:
    """Compiles `network.losses`: with torch's defaults for True, or the arguments in a dict.

    False and None leave the network as it is. Raises ConfigError for anything else, and for
    arguments that `torch.compile` does not have.
    """
    if setting is None or setting is False:
        return
    if setting is not True and not isinstance(setting, Mapping):
        raise ConfigError(f"compile is {setting!r}; expected True, False or a dict of arguments")
    arguments = {} if setting is True else dict(setting)
    if not callable(getattr(network, "losses", None)):
        raise ConfigError(
            f"compile: {type(network).__name__} has no function of tensors to compile"
        )
    try:
        network.losses = torch.compile(network.losses, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"compile={arguments}: torch.compile refuses it ({' '.join(str(error).split())}); "
            "expected its arguments, as in dict(backend='inductor', mode='default')"
        ) from error
    print_log("the training step is compiled: its first steps take long", logger="current")
