"""What a run ran on, as the facts at the head of its log.

The block is read back by programs: its form is fixed, and a fact that is not known is left out.
"""

import platform
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import mmengine
import torch

from model import devices
from model.devices import Device

DISTRIBUTION = "ccnet-port-harness"
RULE = "-" * 60
DTYPE_NAMES = {torch.float16: "float16", torch.bfloat16: "bfloat16"}

Facts = dict[str, str]


def gather_facts(
    cfg: Mapping[str, Any], device: Device, *, launcher: str, world_size: int
) -> Facts:
    """Returns the facts of a run with this config, in the order they are printed."""
    randomness = cfg.get("randomness") or {}
    facts = {
        "device_kind": device.kind,
        "device_name": devices.device_name(device),
        "device_count": devices.device_count(device),
        "driver": devices.driver_version(device),
        "runtime": devices.runtime_version(device),
        "backend": "none" if launcher == "none" else devices.backend_of(device),
        "world_size": world_size,
        "launcher": launcher,
        "seed": randomness.get("seed"),
        "deterministic": bool(randomness.get("deterministic", False)),
        "num_threads": torch.get_num_threads(),
        "batch_per_device": cfg["train_dataloader"].get("batch_size"),
        "grad_accumulation": cfg["optim_wrapper"].get("accumulative_counts", 1),
        "precision": precision(cfg["optim_wrapper"], device),
        "memory_format": (cfg.get("model") or {}).get("memory_format"),
        "compiled": compiled(cfg.get("compile")),
        "planned_steps": cfg["train_cfg"].get("max_iters"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "mmengine": mmengine.__version__,
        "model_code": project_version(),
    }
    return {key: str(value) for key, value in facts.items() if value is not None}


def precision(optim_wrapper: Mapping[str, Any], device: Device) -> str:
    """`float32`, or `amp-` and the dtype of autocast."""
    if optim_wrapper.get("type") != "AmpOptimWrapper":
        return "float32"
    return f"amp-{optim_wrapper.get('dtype') or DTYPE_NAMES[device.autocast]}"


def compiled(setting: Any) -> str | None:
    """Returns the backend that compiles the step, with its mode if one is chosen; else None."""
    if not setting:
        return None
    options = setting if isinstance(setting, Mapping) else {}
    words = [str(options.get("backend", "inductor")), options.get("mode")]
    return " ".join(str(word) for word in words if word is not None)


def project_version() -> str | None:
    """Returns the version of this project: the checkout's, else that of the installed package."""
    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    if pyproject.is_file():
        project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == DISTRIBUTION:
            return str(project["version"])
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def environment_block(facts: Facts) -> str:
    """Returns the block as text, with its rules and a last line end."""
    lines = [f"    {key}: {value}" for key, value in facts.items()]
    return "\n".join([RULE, "Port environment:", *lines, RULE, ""])
