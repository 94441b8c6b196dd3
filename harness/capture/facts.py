"""What a capture or a replay states about the machine and the network."""

from __future__ import annotations

import torch
from torch import nn

from harness.capture.modules import unwrapped
from harness.version import tool_version


def facts_of(network: nn.Module) -> dict[str, str]:
    """Returns device, versions and precision in force, as texts by name."""
    network = unwrapped(network)
    parameters = list(network.parameters())
    device = device_of(network)
    found = {
        "device": device,
        "device_name": _name_of(device),
        "torch": torch.__version__,
        "harness": tool_version(),
        "network": type(network).__name__,
        "parameters": str(sum(p.numel() for p in parameters)),
        "dtype": str(parameters[0].dtype).removeprefix("torch.") if parameters else "",
        "matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "threads": str(torch.get_num_threads()),
    }
    version = getattr(torch.version, device, None)
    if version:
        found[f"{device}_version"] = str(version)
    return found


def device_of(network: nn.Module) -> str:
    """Returns the device type of the first parameter or buffer; `cpu` without any."""
    for tensor in (*network.parameters(), *network.buffers()):
        return str(tensor.device.type)
    return "cpu"


def autocast_of(device: str) -> str:
    """Returns the format of autocast on a device type, such as `bfloat16`; "" if it is off."""
    if not torch.is_autocast_enabled(device):
        return ""
    return str(torch.get_autocast_dtype(device)).removeprefix("torch.")


def _name_of(device: str) -> str:
    """Returns the device's name as its plugin states it; "" where it states none."""
    try:
        module = torch.get_device_module(device)
        return str(module.get_device_name())
    except (AttributeError, RuntimeError, AssertionError, TypeError, NotImplementedError):
        return ""
