"""The target accelerators: one table, the only place that knows them by name.

The table has what torch cannot know; `model.accelerator` asks torch for the rest. The table is
open: a type that a plugin registers with torch can be named without an entry.

mmengine chooses its device once, at import, among those it knows; anything else trains on the CPU
without a word. Here the device is asked for, checked, and then told to mmengine, so that a plugin
it has never heard of (`sdaa`) trains there unforked. What is not present is an error.
"""

import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmengine.device.utils
import torch
from torch import distributed

from model import accelerator
from model.errors import DeviceError, UnknownDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One kind of accelerator.

    `kind` is the name a user gives; `torch_type` is what `torch.device` takes. `plugin` is the
    module whose import adds the type to torch, None for those built in. `autocast` is the dtype of
    mixed precision there. `backends` are the collective backends to try, in this order, where torch
    names no registered one for the type.
    """

    kind: str
    torch_type: str
    backends: tuple[str, ...]
    plugin: str | None = None
    autocast: torch.dtype = torch.float16
    pin_memory: bool = False

    @property
    def module(self) -> Any:
        """The device's module in torch (`torch.cuda`, `torch.sdaa`), or None where it has none."""
        return accelerator.module(self.torch_type)


# Order is preference: a plugin is installed on purpose, so it comes before what torch has built in.
TABLE: tuple[Device, ...] = (
    Device(kind="sdaa", torch_type="sdaa", backends=("tccl",), plugin="torch_sdaa"),
    Device(kind="npu", torch_type="npu", backends=("hccl",), plugin="torch_npu"),
    Device(kind="mlu", torch_type="mlu", backends=("cncl",), plugin="torch_mlu"),
    Device(kind="musa", torch_type="musa", backends=("mccl",), plugin="torch_musa"),
    Device(kind="rocm", torch_type="cuda", backends=("nccl",), pin_memory=True),
    Device(kind="cuda", torch_type="cuda", backends=("nccl",), pin_memory=True),
    Device(kind="xpu", torch_type="xpu", backends=("xccl", "ccl"), autocast=torch.bfloat16),
    Device(kind="mps", torch_type="mps", backends=("gloo",)),
    Device(kind="cpu", torch_type="cpu", backends=("gloo",), autocast=torch.bfloat16),
)
KINDS = tuple(device.kind for device in TABLE)
HELP = f"one of {', '.join(KINDS)}, or a type that a plugin registers; default the best present"


def registered(kind: str) -> Device | None:
    """Returns an entry for a type that a plugin registered with torch; None for other names.

    torch loads plugins by their entry points. Where it does not (TORCH_DEVICE_BACKEND_AUTOLOAD=0,
    or torch 2.4), the module with the usual name, `torch_<kind>`, is imported.
    """
    if not accelerator.is_registered(kind) and kind.isidentifier():
        _import_plugin(f"torch_{kind}")
    if kind in {device.torch_type for device in TABLE} or not accelerator.is_registered(kind):
        return None
    plugin = accelerator.module(kind).__name__.partition(".")[0]
    return Device(
        kind=kind,
        torch_type=kind,
        backends=(),
        plugin=None if plugin == "torch" else plugin,
        autocast=accelerator.autocast_dtype(kind),
    )


def known_devices() -> list[Device]:
    """Returns the devices in order of preference: a plugin's that has no entry, then the table."""
    current = accelerator.current_type()
    unlisted = None if current is None else registered(current)
    return [*([] if unlisted is None else [unlisted]), *TABLE]


def present(device: Device) -> bool:
    """Returns whether the device can be used: its plugin imports and a device is visible."""
    if device.plugin is not None and not _import_plugin(device.plugin):
        return False
    if device.kind == "cpu":
        return True
    if device.kind in ("cuda", "rocm"):
        is_rocm = torch.version.hip is not None
        return (device.kind == "rocm") == is_rocm and torch.cuda.is_available()
    if device.kind == "mps":
        return torch.backends.mps.is_available()
    return accelerator.is_available(device.torch_type)


def _import_plugin(name: str) -> bool:
    """Imports a torch plugin; False where it is not installed, DeviceError where it breaks."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return False
        raise DeviceError(f"the plugin {name} is installed but does not import: {error}") from error
    except (ImportError, OSError, RuntimeError) as error:
        raise DeviceError(f"the plugin {name} is installed but does not import: {error}") from error
    return True


def find_device(kind: str | None = None) -> Device:
    """Returns the entry for a kind, or for the best device present when none is named.

    A kind that neither the table nor a plugin knows is an UnknownDevice, and one that is not
    present a DeviceError.
    """
    if kind is None:
        return next(device for device in known_devices() if present(device))
    named = next((device for device in TABLE if device.kind == kind), None) or registered(kind)
    if named is None:
        raise UnknownDevice(
            f"unknown device '{kind}'; expected one of {', '.join(KINDS)}, or the name of a type "
            "that a plugin of torch registers. Check the name, or install the plugin"
        )
    if not present(named):
        found = ", ".join(device.kind for device in known_devices() if present(device))
        need = f"import {named.plugin} and " if named.plugin else ""
        raise DeviceError(
            f"device '{kind}' is not present: found {found} with torch {torch.__version__}; "
            f"expected to {need}see at least one. Install it, or name one of those found."
        )
    return named


def use_device(
    device: Device, *, local_rank: int = 0, per_machine: str = "--nproc-per-node"
) -> None:
    """Makes the device mmengine's, and the rank's own one the current one.

    `per_machine` is the launcher's option for the number of ranks on a machine.
    """
    count = device_count(device)
    if device.kind != "cpu" and local_rank >= count:
        raise DeviceError(
            f"rank {local_rank} of this machine has no {device.kind} device of its own: found "
            f"{count}; lower {per_machine} to {count}"
        )
    mmengine.device.utils.DEVICE = device.torch_type
    if device.kind != "cpu":
        accelerator.set_device(device.torch_type, local_rank)


def backend_of(device: Device) -> str:
    """Returns the collective backend to use: torch's for the device, else the table's first."""
    known = getattr(distributed.Backend, "backend_list", [])
    for name in filter(None, (accelerator.default_backend(device.torch_type), *device.backends)):
        if name in known and _built_in(name):
            return name
    wanted = " or ".join(device.backends) or "one for this type"
    raise DeviceError(
        f"no collective backend for {device.kind}: found {', '.join(known)}; expected {wanted}, "
        "which its plugin registers"
    )


def _built_in(backend: str) -> bool:
    """False for a backend that torch lists but was built without."""
    check = getattr(distributed, f"is_{backend}_available", None)
    return check is None or bool(check())


def backend_spec(device: Device) -> str:
    """Returns the backends for `init_process_group`: gloo for the CPU, the device's for its own.

    mmengine sends what is not nccl, hccl, cncl or mccl through the CPU; with both backends in one
    group its broadcasts work for any device, and gradients still go device to device.
    """
    name = backend_of(device)
    return name if name == "gloo" else f"cpu:gloo,{device.torch_type}:{name}"


def device_count(device: Device) -> int:
    """Returns how many devices of the kind are visible; 1 for the CPU."""
    return 1 if device.kind == "cpu" else accelerator.device_count(device.torch_type)


def has_float64(device: Device) -> bool:
    """Returns whether a tensor of the device may be float64; many accelerators have no float64."""
    try:
        torch.empty((), dtype=torch.float64, device=device.torch_type)
    except (TypeError, RuntimeError):
        return False
    return True


def device_name(device: Device) -> str | None:
    """Returns the name of the current device, as its driver gives it; None where nobody tells."""
    if device.kind == "cpu":
        return _cpu_name()
    query = getattr(device.module, "get_device_name", None)
    return None if query is None else str(query())


def _cpu_name() -> str | None:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return os.uname().machine if hasattr(os, "uname") else None


def driver_version(device: Device) -> str | None:
    """Returns the version of the kernel driver, or None where it cannot be read."""
    if device.kind == "cuda":
        version = Path("/proc/driver/nvidia/version")
        words = version.read_text(encoding="utf-8").split() if version.exists() else []
        return next((word for word in words if word.count(".") >= 1 and word[0].isdigit()), None)
    if device.kind == "rocm":
        version = Path("/sys/module/amdgpu/version")
        return version.read_text(encoding="utf-8").strip() if version.exists() else None
    return None


def runtime_version(device: Device) -> str | None:
    """Returns the version of the device's runtime that torch was built for, or None."""
    if device.kind in ("cpu", "mps"):
        return None
    name = {"cuda": "cuda", "rocm": "hip"}.get(device.kind, device.torch_type)
    version = getattr(torch.version, name, None)
    return None if version is None else str(version)


def peak_memory_mib(device: Device) -> float | None:
    """Peak memory held by tensors on the current device in MiB; None where there is no query."""
    peak = None if device.kind == "cpu" else accelerator.peak_memory(device.torch_type)
    return None if peak is None else peak / 2**20


def device_of_type(torch_type: str) -> Device:
    """Returns the entry for torch's name of a device; ROCm and CUDA are both `cuda`."""
    listed = next((device for device in TABLE if device.torch_type == torch_type), None)
    found = listed or registered(torch_type)
    if found is None:
        raise UnknownDevice(f"torch has no device of the type '{torch_type}'")
    return found
