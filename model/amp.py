"""Mixed precision on any device of the table.

mmengine's wrapper of this name asserts one of four accelerators and takes its scaler from CUDA.
This one asks the device: the dtype from the table unless the config names one, and loss scaling
for float16 alone, where gradients underflow; bfloat16 has float32's exponents and needs none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.amp import GradScaler, autocast
from torch.optim import Optimizer

from model.devices import device_of_type, has_float64
from model.registry import OPTIM_WRAPPERS

FIRST_SCALE = 2.0**16  # torch's own
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class _Scaler(GradScaler):
    """torch's scaler, which also works on a device without float64."""

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the gradients by the scale.

        torch inverts the scale in float64 on the device. Without float64 there, the host does it.
        A scaler that is off, as for bfloat16, has no scale.
        """
        scale = self._scale if self.is_enabled() else None
        if scale is not None and not has_float64(device_of_type(scale.device.type)):
            self._scale = scale.cpu()
        try:
            super().unscale_(optimizer)
        finally:
            if scale is not None:
                self._scale = scale


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """Forward under autocast; with float16, gradients scaled by a GradScaler.

    `loss_scale` is 'dynamic', or a starting scale that is then kept. `dtype` is 'float16',
    'bfloat16' or None for the device's own.
    """

    def __init__(
        self, *, loss_scale: str | float = "dynamic", dtype: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.device_type = get_device()
        self.dtype = DTYPES[dtype] if dtype else device_of_type(self.device_type).autocast
        self.fixed_scale = None if loss_scale == "dynamic" else float(loss_scale)
        self.loss_scaler = _Scaler(
            self.device_type,
            init_scale=self.fixed_scale or FIRST_SCALE,
            enabled=self.dtype == torch.float16,
        )

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Accumulates the gradients of the scaled loss."""
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Updates the parameters, unless a gradient overflowed."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self.fixed_scale)

    def state_dict(self) -> dict[str, Any]:
        """Returns the optimizer's state, with the scaler's as `loss_scaler`."""
        state: dict[str, Any] = super().state_dict()
        state["loss_scaler"] = self.loss_scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads what `state_dict` returned; the state of a float32 run has no scaler."""
        rest = dict(state_dict)
        scaler_state = rest.pop("loss_scaler", None)
        if scaler_state:
            self.loss_scaler.load_state_dict(scaler_state)
        super().load_state_dict(rest)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, within mmengine's handling of gradient accumulation."""
        with super().optim_context(model), autocast(self.device_type, dtype=self.dtype):
            yield
