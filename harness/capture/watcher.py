"""What watches a network inside a `with` block: the base of Replay, Recorder and OnCpu."""

from __future__ import annotations

from typing import Any, Self

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.capture.modules import Modules
from harness.capture.start import unhide_zeros


class Watcher(TorchDispatchMode):
    """Follows the modules of a network, and is handed every operator.

    `begin` and `end` are the block without the mode, for a program whose mode is another's.
    `unhide` gives parameters that are all zero other values first.

    Raises:
        ValueError: the network is compiled.
    """

    def __init__(self, network: nn.Module, *, unhide: bool = False) -> None:
        super().__init__()
        self.modules = Modules(network)
        if unhide:
            unhide_zeros(network)

    def __enter__(self) -> Self:
        self.begin()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.end()

    def begin(self) -> None:
        """Registers the hooks."""
        self.modules.attach()

    def end(self) -> None:
        """Removes the hooks."""
        self.modules.detach()
