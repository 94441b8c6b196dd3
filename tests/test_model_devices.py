"""Devices: the table, what is refused, and a plugin that mmengine has never heard of."""

import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.device import get_device
from tiny_run import command, environment, options, records
from torch import distributed

from model import devices
from model.amp import AmpOptimWrapper
from model.devices import TABLE, find_device, use_device
from model.errors import DeviceError
from model.hooks.port_log import FILE_NAME

# A plugin as vendors ship them, with the CPU in place of kernels: it names the device type,
# registers torch.sdaa and its collective backend, and moves tensors nowhere.
PLUGIN = """
import types
import torch
from torch import distributed

torch.utils.rename_privateuse1_backend("sdaa")
module = types.ModuleType("torch.sdaa")
module.current = []
module.is_available = lambda: True
module.device_count = lambda: 2
module.set_device = module.current.append
module.current_device = lambda: module.current[-1]
module.get_device_name = lambda: "Stub SDAA"
module.max_memory_allocated = lambda: 3 * 2**20
module._is_in_bad_fork = lambda: False
module.manual_seed_all = lambda seed: None
module.get_amp_supported_dtype = lambda: [torch.float16]
torch._register_device_module("sdaa", module)
torch.version.sdaa = "1.2.3"

def create(store, rank, size, timeout):
    return distributed.ProcessGroupGloo(store, rank, size, timeout)

distributed.Backend.register_backend("tccl", create, devices=["sdaa"])

def on_cpu(to):
    def moved(self, *args, **kwargs):
        args = ["cpu" if str(a).startswith("sdaa") else a for a in args]
        if str(kwargs.get("device", "")).startswith("sdaa"):
            kwargs["device"] = "cpu"
        return to(self, *args, **kwargs)
    return moved

torch.Tensor.to = on_cpu(torch.Tensor.to)
torch.nn.Module.to = on_cpu(torch.nn.Module.to)
"""


@pytest.fixture
def plugin(tmp_path):
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "torch_sdaa.py").write_text(PLUGIN)
    return {"PYTHONPATH": f"{folder}:{environment()['PYTHONPATH']}"}


def python(code: str, extra: dict[str, str], cwd: Path):
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(**extra), cwd=cwd,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_every_kind_has_one_entry_and_a_dtype():
    assert len({device.kind for device in TABLE}) == len(TABLE)
    assert {"cpu", "cuda", "rocm", "sdaa", "npu", "mlu", "musa", "xpu", "mps"} == set(devices.KINDS)
    assert all(device.autocast in (torch.float16, torch.bfloat16) for device in TABLE)


def test_an_unknown_device_names_what_was_asked_and_what_there_is():
    with pytest.raises(DeviceError, match="unknown device 'gpu'; expected one of sdaa, npu"):
        find_device("gpu")


@pytest.mark.parametrize("kind", ["sdaa", "npu", "mlu", "musa"])
def test_an_absent_device_is_an_error_and_never_the_cpu(kind):
    with pytest.raises(DeviceError, match=rf"'{kind}' is not present: found .*import torch_{kind}"):
        find_device(kind)


def test_a_plugin_that_does_not_import_is_told_from_one_that_is_absent(tmp_path, monkeypatch):
    (tmp_path / "torch_npu.py").write_text("import missing_driver\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeviceError, match="torch_npu is installed but does not import: No module"):
        find_device("npu")


def test_a_rank_without_a_device_of_its_own_is_refused(monkeypatch):
    stub = ModuleType("stub")
    stub.device_count = lambda: 2
    monkeypatch.setattr(torch, "musa", stub, raising=False)
    musa = next(device for device in TABLE if device.kind == "musa")
    with pytest.raises(DeviceError, match=r"rank 2 .*lower --nproc-per-node to 2"):
        use_device(musa, local_rank=2)


def test_cpu_facts():
    cpu = find_device("cpu")
    use_device(cpu)
    assert get_device() == "cpu"
    assert devices.backend_of(cpu) == devices.backend_spec(cpu) == "gloo"
    assert devices.device_count(cpu) == 1
    assert devices.runtime_version(cpu) is devices.driver_version(cpu) is None
    assert devices.peak_memory_mib(cpu) is None


def test_a_backend_that_torch_lacks_is_an_error():
    npu = next(device for device in TABLE if device.kind == "npu")
    assert "hccl" not in distributed.Backend.backend_list
    with pytest.raises(DeviceError, match=r"no collective backend for npu: .*expected hccl"):
        devices.backend_of(npu)


def test_an_out_of_tree_plugin_becomes_mmengines_device(plugin, tmp_path):
    code = """
import torch
from model import devices
best = devices.find_device()
devices.use_device(best, local_rank=1)
from mmengine.device import get_device
from mmengine.dist import broadcast
assert (best.kind, get_device(), torch.sdaa.current) == ("sdaa", "sdaa", [1])
assert devices.device_name(best) == "Stub SDAA" and devices.device_count(best) == 2
assert devices.runtime_version(best) == "1.2.3" and devices.peak_memory_mib(best) == 3.0
assert devices.backend_spec(best) == "cpu:gloo,sdaa:tccl"
from model.amp import AmpOptimWrapper
layer = torch.nn.Linear(1, 1)
wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1))
assert wrapper.dtype == torch.float16 and wrapper.loss_scaler.is_enabled()
with wrapper.optim_context(layer):
    assert torch.is_autocast_enabled("sdaa")
import os
os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_PORT="0")
from model.launch import join, leave
import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0)); os.environ["MASTER_PORT"] = str(s.getsockname()[1])
assert join("pytorch", best) == (0, 1)
x = torch.ones(3); broadcast(x); assert x.sum() == 3
leave()
"""
    done = python(code, plugin, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_training_runs_on_a_device_that_mmengine_does_not_know(plugin, scenes, tmp_path):
    argv = command(tmp_path / "run", [*options(scenes, steps=2), "train_cfg.val_interval=2"])
    done = subprocess.run(
        argv, env=environment(**plugin), cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "device: sdaa (Stub SDAA)" in done.stdout
    log = (tmp_path / "run" / FILE_NAME).read_text()
    for fact in (
        "device_kind: sdaa",
        "device_name: Stub SDAA",
        "device_count: 2",
        "runtime: 1.2.3",
    ):
        assert f"\n    {fact}\n" in log
    assert "driver:" not in log
    assert "peak memory: 3 MiB" in done.stdout
    assert len(records(log)) == 2


# --- mixed precision


def step(wrapper_type, **kwargs):
    torch.manual_seed(0)
    layer = torch.nn.Linear(8, 4)
    wrapper = wrapper_type(optimizer=torch.optim.SGD(layer.parameters(), lr=0.5), **kwargs)
    with wrapper.optim_context(layer):
        out = layer(torch.ones(2, 8) / 3)
    before = layer.weight.detach().clone()
    wrapper.update_params(out.float().square().sum())
    return out.dtype, layer.weight.detach() - before, wrapper


def test_amp_on_the_cpu_is_bfloat16_without_scaling():
    use_device(find_device("cpu"))
    dtype, change, wrapper = step(AmpOptimWrapper)
    assert dtype == torch.bfloat16
    assert not wrapper.loss_scaler.is_enabled()
    exact = step(AmpOptimWrapper.__mro__[1])[1]
    assert 0 < (change - exact).abs().max() < 0.01 * exact.abs().max()


def test_float16_scales_gradients_and_its_state_survives():
    use_device(find_device("cpu"))
    dtype, change, wrapper = step(AmpOptimWrapper, dtype="float16", loss_scale=128.0)
    assert dtype == torch.float16
    exact = step(AmpOptimWrapper.__mro__[1])[1]
    assert (change - exact).abs().max() < 0.01 * exact.abs().max()
    state = wrapper.state_dict()
    assert state["loss_scaler"]["scale"] == 128.0
    again = step(AmpOptimWrapper, dtype="float16")[2]
    again.load_state_dict(state)
    assert math.isclose(again.loss_scaler.get_scale(), 128.0)
