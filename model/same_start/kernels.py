"""The kernels of a same start: deterministic ones, and float32 products in full precision."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from model.devices import Device
from model.environment import Facts, precision


@contextmanager
def exact_kernels(cfg: Mapping[str, Any]) -> Iterator[None]:
    """A context with deterministic kernels where the device has them.

    TF32 is off unless the config asks for it (`env_cfg.tf32=True`): cuDNN has it on by default, and
    a convolution then differs from a CPU's by 1e-3.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS may choose anew
    tf32 = bool((cfg.get("env_cfg") or {}).get("tf32", False))
    matmul = torch.backends.cuda.matmul
    before = (torch.are_deterministic_algorithms_enabled(), matmul.allow_tf32)
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # it costs time and shows nothing
    matmul.allow_tf32 = tf32
    try:
        with torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            benchmark=False,
            deterministic=True,
            allow_tf32=tf32,
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        memory.fill_uninitialized_memory = filled
        matmul.allow_tf32 = before[1]


def facts_in_force(optim_wrapper: Mapping[str, Any], device: Device) -> Facts:
    """Returns the facts of the precision and the kernels that torch is set to."""
    stated = precision(optim_wrapper, device)
    facts = {"autocast": stated.removeprefix("amp-") if stated.startswith("amp-") else "none"}
    if device.kind == "cuda":
        facts["tf32_matmul"] = str(torch.backends.cuda.matmul.allow_tf32)
        facts["tf32_convolution"] = str(torch.backends.cudnn.allow_tf32)
    facts["matmul_precision"] = torch.get_float32_matmul_precision()
    facts["deterministic_kernels"] = str(torch.are_deterministic_algorithms_enabled())
    return facts
