"""What every device is asked in the same way: torch.accelerator, or the module `torch.<type>`.

`torch.accelerator` came with torch 2.6 and serves one type in a process: that of a plugin, else the
one that torch was built for. Older torch, and a further type, are asked through their modules.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


def module(torch_type: str) -> Any:
    """Returns the device's module in torch (`torch.cuda`, `torch.sdaa`), or None without one.

    `torch.get_device_module` raises where this returns None, and keeps the module it gave first.
    """
    return getattr(torch, torch_type, None)


def interface(torch_type: str) -> Any:
    """Returns `torch.accelerator` if it serves this type of device, else None."""
    return torch.accelerator if current_type() == torch_type else None


def current_type() -> str | None:
    """Returns the type that `torch.accelerator` serves; None without one, or before torch 2.6."""
    accelerator = getattr(torch, "accelerator", None)
    served = None if accelerator is None else accelerator.current_accelerator()
    return None if served is None else str(served.type)


def is_registered(torch_type: str) -> bool:
    """Returns whether torch knows the name as a type of device, and has a module for it."""
    try:
        known = torch.device(torch_type).type == torch_type
    except RuntimeError:  # no type has this name
        return False
    return known and module(torch_type) is not None


def autocast_dtype(torch_type: str) -> torch.dtype:
    """Returns the dtype of mixed precision: torch's for the type, else the first that it can do."""
    wanted = torch.get_autocast_dtype(torch_type)
    query = getattr(module(torch_type), "get_amp_supported_dtype", None)
    able = [wanted] if query is None else list(query())
    return wanted if wanted in able or not able else able[0]


def is_available(torch_type: str) -> bool:
    """Returns whether a device of the type can be used."""
    asked = interface(torch_type) or module(torch_type)
    return asked is not None and bool(asked.is_available())


def device_count(torch_type: str) -> int:
    """Returns how many devices of the type are visible; 1 where nobody counts them."""
    asked = interface(torch_type) or module(torch_type)
    return int(asked.device_count()) if hasattr(asked, "device_count") else 1


def set_device(torch_type: str, index: int) -> None:
    """Makes a device of the type the current one, where its number can be chosen."""
    if (accelerator := interface(torch_type)) is not None:
        accelerator.set_device_index(index)
    elif hasattr(module(torch_type), "set_device"):
        module(torch_type).set_device(index)


def peak_memory(torch_type: str) -> int | None:
    """Returns the most bytes that tensors held on the current device; None without a query.

    The module comes first: a plugin may leave the query of `torch.accelerator` (2.9 and later) out.
    """
    for asked in (module(torch_type), interface(torch_type)):
        if (query := getattr(asked, "max_memory_allocated", None)) is not None:
            return int(query())
    return None


def default_backend(torch_type: str) -> str | None:
    """Returns the collective backend that is registered for the type; None before torch 2.6."""
    query = getattr(distributed, "get_default_backend_for_device", None)
    if query is None:
        return None
    try:
        return str(query(torch_type))
    except (ValueError, RuntimeError):  # no backend, or a type that torch does not know yet
        return None


def bound_device(torch_type: str, index: int) -> torch.device | None:
    """Returns the device to which a rank is bound in its process group; None without a choice.

    A group that knows its device connects at once, and fails there if it cannot.
    """
    return None if interface(torch_type) is None else torch.device(torch_type, index)
