"""Versions, the plugin of the device and how it is loaded, and the facts of a log."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from model.doctor.check import Asked, Result, ok, problem, warning

OLDEST_TORCH = (2, 4)
MMENGINE = "0.10.7"
PACKAGES = ("torch", "mmengine", "numpy")
AUTOLOAD = "TORCH_DEVICE_BACKEND_AUTOLOAD"
MIGRATED = "cuda_migrate"


def versions(_: Asked) -> Result:
    """Compares the versions of what `model` imports with what it was written for; no import."""
    there = {name: _version(name) for name in PACKAGES}
    text = ", ".join(
        [f"Python {platform.python_version()}", *(f"{n} {v}" for n, v in there.items())]
    )
    absent = [name for name, version in there.items() if version is None]
    if absent:
        return problem(f"no {' and no '.join(absent)}", "pip install '.[train]'", **there)
    torch = tuple(int(part) for part in str(there["torch"]).split(".")[:2])
    if torch < OLDEST_TORCH:
        return problem(f"{text}; expected torch 2.4 or later", "install a newer torch", **there)
    if there["mmengine"] != MMENGINE:
        return warning(f"{text}; expected mmengine {MMENGINE}", "pip install '.[train]'", **there)
    return ok(text, python=platform.python_version(), **there)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def plugin(asked: Asked) -> Result:
    """Imports torch, which loads plugins by their entry points, and the plugin of the device."""
    try:
        import torch  # noqa: F401, PLC0415 - the import is what is checked
    except Exception as error:  # whatever a plugin raises while torch loads it
        reasons = [error, *filter(None, [error.__cause__])]  # torch names the plugin, it the reason
        told = "; ".join(" ".join(str(each).split()) for each in reasons)
        return problem(
            f"torch does not import: {told}",
            f"fix the plugin, or train on another device with {AUTOLOAD}=0",
        )
    from model.devices import find_device  # noqa: PLC0415
    from model.errors import DeviceError, UnknownDevice  # noqa: PLC0415

    try:
        device = find_device(asked.device)
    except UnknownDevice as error:
        return problem(str(error), "name another device", unknown=asked.device)
    except DeviceError as error:
        return problem(str(error), "install torch and the plugin for the device, or its driver")
    if device.plugin is None:
        return ok(f"{device.kind} is built into torch", kind=device.kind)
    version = _version(device.plugin)
    text = f"{device.plugin} {version or 'without a version'} imports"
    return ok(text, kind=device.kind, plugin=device.plugin, version=version)


def autoload(_: Asked) -> Result:
    """Reads the entry points and variables that say what torch loads, and what `cuda` means."""
    points = sorted({point.name for point in metadata.entry_points(group="torch.backends")})
    listed = ", ".join(points) or "no plugin"
    for name, value in os.environ.items():
        if MIGRATED in value and name.startswith("TORCH_"):
            return warning(
                f"{name}={value}: programs that ask for cuda run on the plugin's device",
                f"unset {name}: model needs no migration, and a log would call the device cuda",
                entry_points=points,
            )
    if points and os.environ.get(AUTOLOAD) == "0":
        return warning(
            f"{AUTOLOAD}=0, so torch does not load {listed} by itself; model imports it anyway",
            f"unset {AUTOLOAD} for programs that import nothing but torch",
            entry_points=points,
        )
    return ok(f"torch loads {listed} by itself", entry_points=points)


def facts(asked: Asked) -> Result:
    """Gathers the facts that the head of a log will state."""
    from model.build import load_config  # noqa: PLC0415
    from model.devices import find_device, use_device  # noqa: PLC0415
    from model.environment import gather_facts  # noqa: PLC0415
    from model.threads import settle  # noqa: PLC0415

    settle()
    device = find_device(asked.device)
    use_device(device)
    gathered = gather_facts(load_config(asked.config), device, launcher="none", world_size=1)
    return ok(f"{len(gathered)} facts at the head of a log", facts=gathered)
