"""Which operators of a training step the device has, and which run on the CPU instead.

Two sources agree or complete each other: torch's dispatcher says which operators have a kernel for
the device, and the warnings that a plugin gives when it falls back name operators inside others.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from model.devices import Device
from model.doctor.check import Asked, Result, ok, warning
from model.doctor.hardware import chosen
from model.doctor.network import prepared

_NAMED = re.compile(r"operator '(aten::[\w.]+)'.*\bCPU\b", re.DOTALL)
"""How plugins warn: "The operator 'aten::x' is not currently supported ... run on the CPU"."""
_COMPOSED = ("CompositeImplicitAutograd", "CompositeExplicitAutograd")
"""Keys of operators that torch makes of others, on any device."""
_BY_OUT = "CompositeExplicitAutogradNonFunctional"
"""The key of operators that torch leaves to their `out` variant."""
_KEYS = {"cuda": "CUDA", "cpu": "CPU", "xpu": "XPU", "mps": "MPS", "hpu": "HPU"}
_PARTS = {
    "aten::convolution": "aten::convolution_overrideable",
    "aten::convolution_backward": "aten::convolution_backward_overrideable",
}
"""What torch calls on a plugin's device for these operators; it makes them of others elsewhere."""


class _Recorder(TorchDispatchMode):
    """Counts the operators that are called while it is active, by their full names."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().startswith("aten::"):
            self.calls[func.name()] += 1
        return func(*args, **(kwargs or {}))


def operators(asked: Asked) -> Result:
    """Trains a narrow CCNet for a step and says which of its operators the device does not have."""
    device = chosen(asked)
    step = prepared(device, dropout=0.1)
    recorder = _Recorder()
    with warnings.catch_warnings(record=True) as caught, recorder:
        warnings.simplefilter("always")
        step.backward()
        step.optimizer.step()
        step.gradients()  # waits: an error of a kernel appears here, not in the next check
    warned = {match[1] for each in caught if (match := _NAMED.search(str(each.message)))}
    fallen = sorted(warned | {name for name in recorder.calls if _falls_back(name, device)})
    fallen = [name for name in fallen if f"{name}.out" not in fallen]
    details = {"native": sorted(set(recorder.calls) - set(fallen)), "fallback": fallen}
    text = f"{len(recorder.calls)} operators of a training step"
    if fallen:
        return warning(
            f"{len(fallen)} of {text} run on the CPU: {', '.join(fallen)}",
            "expect slow steps with copies to the host; update the plugin",
            **details,
        )
    return ok(f"{text} run on the device", **details)


def dispatch_key(device: Device) -> str:
    """Returns the dispatcher's name of the device; that of a plugin is `PrivateUse1`."""
    return _KEYS.get(device.torch_type, "PrivateUse1")


def _falls_back(name: str, device: Device) -> bool:
    """Returns whether the dispatcher has neither a kernel for the device nor a composition."""
    key = dispatch_key(device)
    if key == "PrivateUse1" and name in _PARTS:
        return not _has(_PARTS[name], key)
    if _has(name, key) or any(_has(name, composed) for composed in _COMPOSED):
        return False
    variants = _out_variants(name) if _has(name, _BY_OUT) else []
    return not any(_has(out, each) for out in variants for each in (key, *_COMPOSED))


def _out_variants(name: str) -> list[str]:
    """Returns the possible names of the variant that writes into a given tensor."""
    base, _, overload = name.partition(".")
    return [f"{base}.out", f"{base}.{overload}_out"] if overload else [f"{base}.out"]


def _has(name: str, key: str) -> bool:
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(name, key))
    except RuntimeError:  # no operator of this name
        return False
