"""The devices: whether one answers, how many there are, their memory, and float64."""

from __future__ import annotations

from typing import Any

import torch

from model import devices
from model.doctor.check import Asked, Result, ok, problem, warning

MIB = 2**20
TRIED = 64 * MIB
"""Bytes that the check of memory writes and reads; other checks need less than 16 MiB."""
NEEDED = 12 * 2**30
"""Bytes of the published training, ResNet-50 with 2 samples of 512x1024 in float32, rounded up."""


def chosen(asked: Asked) -> devices.Device:
    """Returns the device of the training, after making it the current one."""
    device = devices.find_device(asked.device)
    devices.use_device(device)
    return device


def device(asked: Asked) -> Result:
    """Sends numbers to the device and back, and states its name, driver and runtime."""
    used = chosen(asked)
    sent = torch.arange(4096, dtype=torch.float32)
    back = (sent.to(used.torch_type) + 1).cpu()
    details: dict[str, Any] = {
        "name": devices.device_name(used),
        "count": devices.device_count(used),
        "driver": devices.driver_version(used),
        "runtime": devices.runtime_version(used),
    }
    if not torch.equal(back, sent + 1):
        return problem(
            f"{used.kind}: 4096 numbers came back wrong after adding 1",
            "the device or its driver is defective: run the vendor's test",
            **details,
        )
    known = [f"{key} {details[key]}" for key in ("driver", "runtime") if details[key]]
    text = f"{details['count']} x {details['name'] or used.kind}"
    return ok(", ".join([f"{used.kind}: {text}", *known]), **details)


def memory(asked: Asked) -> Result:
    """Writes and reads 64 MiB, and compares what is free with what the published training needs."""
    used = chosen(asked)
    try:
        block = torch.full((TRIED // 4,), 3.0, device=used.torch_type)
        right = float(block[-1]) == 3.0
        del block
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        text = " ".join(str(error).split())
        return problem(
            text, "end other programs on the device, or use another one: see its monitor"
        )
    if not right:
        return problem("64 MiB of the device did not keep their values", "run the vendor's test")
    query = getattr(used.module, "mem_get_info", None)
    if used.kind == "cpu" or query is None:
        return ok("64 MiB were written and read; the device does not say how much is free")
    free, total = (int(number) for number in query())
    text = f"{free / MIB:.0f} of {total / MIB:.0f} MiB free"
    if free < NEEDED:
        return warning(
            f"{text}; the published training needs about {NEEDED / MIB:.0f} MiB",
            "end other programs on the device, or train with --amp, a smaller crop or batch",
            free=free,
            total=total,
        )
    return ok(text, free=free, total=total)


def float64(asked: Asked) -> Result:
    """States whether the device has float64; a training needs it on the host only."""
    used = chosen(asked)
    if devices.has_float64(used):
        return ok("the device has float64", float64=True)
    return ok("the device has no float64; the host computes what needs it", float64=False)
