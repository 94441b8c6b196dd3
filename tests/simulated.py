"""The simulated accelerator of `tests/accelerator`, as a plugin of processes or of this one."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from tiny_run import environment

PLUGIN = Path(__file__).parent / "accelerator"
BUILD = PLUGIN / "torch_sdaa" / "build.py"


def builder() -> ModuleType:
    """Returns the module `build.py` without the accelerator, which its package loads."""
    spec = importlib.util.spec_from_file_location("accelerator_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return build


@cache
def prepare() -> None:
    """Builds the accelerator if that was not done; skips the test where it cannot be built."""
    build = builder()
    if (lacking := build.lacking()) is not None:
        pytest.skip(f"the simulated accelerator cannot be built: {lacking}")
    if not build.library().is_file():
        done = subprocess.run(
            [sys.executable, BUILD], env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]


def plugged(**controls: str) -> dict[str, str]:
    """Variables for a process that has the accelerator; `faults="..."` is TORCH_SDAA_FAULTS."""
    prepare()
    path = os.pathsep.join([str(PLUGIN), environment()["PYTHONPATH"]])
    return {"PYTHONPATH": path} | {f"TORCH_SDAA_{k.upper()}": v for k, v in controls.items()}


@contextmanager
def present() -> Iterator[ModuleType]:
    """A context in which this process has the accelerator; yields `torch_sdaa.simulation`.

    torch cannot forget a device type: afterwards it is one without a device. Its autograd counts
    the devices at the first backward pass of a process, so a test is skipped where one ran before;
    `tox -e model` runs such tests in a separate process.
    """
    prepare()
    sys.path.append(str(PLUGIN))
    try:
        from torch_sdaa import simulation

        simulation.set_device_count(4)
        _need_backward()
        yield simulation
        simulation.heal()
        simulation.set_device_count(0)
    finally:
        sys.path.remove(str(PLUGIN))


def _need_backward() -> None:
    """Skips a test in a process whose autograd has no thread for the device."""
    import torch

    x = torch.ones(1, device="sdaa", requires_grad=True)
    try:
        (2 * x).sum().backward()
    except RuntimeError as error:
        if "device_ready_queues_" not in str(error):
            raise
        pytest.skip("a backward pass ran in this process before the device was there; run it alone")
