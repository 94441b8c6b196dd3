"""Devices: the table, what is refused, and a plugin that mmengine has never heard of."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.device import get_device
from simulated import PLUGIN, plugged, prepare
from tiny_run import command, environment, losses, options, run
from torch import distributed

from model import accelerator, devices
from model.amp import AmpOptimWrapper
from model.devices import TABLE, find_device, use_device
from model.errors import DeviceError, UnknownDevice


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
    assert devices.has_float64(cpu)
    assert devices.peak_memory_mib(cpu) is None


def test_a_backend_that_torch_lacks_is_an_error():
    npu = next(device for device in TABLE if device.kind == "npu")
    assert "hccl" not in distributed.Backend.backend_list
    with pytest.raises(DeviceError, match=r"no collective backend for npu: .*expected hccl"):
        devices.backend_of(npu)


def test_an_out_of_tree_plugin_becomes_mmengines_device(tmp_path):
    code = """
import os
import socket
import torch
from mmengine.device import get_device
from mmengine.dist import broadcast
from model import accelerator, devices
assert get_device() == "cpu"  # mmengine does not know the plugin
best = devices.find_device()
devices.use_device(best, local_rank=1)
assert (best.kind, get_device(), torch.sdaa.current_device()) == ("sdaa", "sdaa", 1)
assert devices.device_name(best) == "Simulated SDAA" and devices.device_count(best) == 4
assert devices.runtime_version(best) == "0.1.simulated" and not devices.has_float64(best)
assert devices.backend_spec(best) == "cpu:gloo,sdaa:tccl"
layer = torch.nn.Linear(1, 1).to("sdaa")
assert devices.peak_memory_mib(best) == 8 / 2**20
from model.amp import AmpOptimWrapper
wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1))
assert wrapper.dtype == torch.float16 and wrapper.loss_scaler.is_enabled()
with wrapper.optim_context(layer):
    assert layer(torch.ones(1, 1, device="sdaa")).dtype == torch.float16
os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="1")
from model.launch import join, leave
with socket.socket() as s:
    s.bind(("127.0.0.1", 0)); os.environ["MASTER_PORT"] = str(s.getsockname()[1])
assert join("pytorch", best) == (0, 1)
for place in ("cpu", "sdaa"):
    x = torch.ones(3, device=place); broadcast(x); assert x.sum() == 3
leave()
"""
    done = python(code, plugged(), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


BOTH_WAYS = """
import sys
import torch
from torch import distributed
if sys.argv[1] == "old":  # torch 2.4 and 2.5 have neither
    del torch.accelerator, distributed.get_default_backend_for_device
from model import accelerator, devices
best = devices.find_device()
devices.use_device(best, local_rank=2)
layer = torch.nn.Linear(1, 1).to("sdaa")
print(
    best.kind, devices.device_count(best), torch.sdaa.current_device(), devices.backend_of(best),
    devices.peak_memory_mib(best) * 2**20, accelerator.interface("sdaa") is not None,
    accelerator.bound_device("sdaa", 2), accelerator.default_backend("sdaa"),
)
"""


@pytest.mark.parametrize(
    ("torch_is", "told"),
    [
        ("new", "sdaa 4 2 tccl 8.0 True sdaa:2 tccl\n"),
        ("old", "sdaa 4 2 tccl 8.0 False None None\n"),
    ],
)
def test_devices_are_asked_by_torchs_interface_or_by_their_module(torch_is, told, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BOTH_WAYS, torch_is], env=environment(**plugged()), cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout == told, done.stderr[-2000:]


def test_a_type_that_the_interface_does_not_serve_is_asked_by_its_module(monkeypatch):
    stub = ModuleType("stub")
    stub.is_available = lambda: True
    stub.device_count = lambda: 3
    stub.max_memory_allocated = lambda: 5
    monkeypatch.setattr(torch, "musa", stub, raising=False)
    assert accelerator.interface("musa") is None
    assert accelerator.is_available("musa")
    assert (accelerator.device_count("musa"), accelerator.peak_memory("musa")) == (3, 5)
    accelerator.set_device("musa", 1)  # the module has no function for it
    assert accelerator.bound_device("musa", 1) is accelerator.default_backend("musa") is None
    assert not accelerator.is_available("mlu")


# --- devices without an entry in the table


def renamed_plugin(folder: Path, name: str) -> dict[str, str]:
    """Copies the simulated accelerator as `torch_<name>`; returns variables that show it."""
    prepare()
    package = folder / f"torch_{name}"
    shutil.copytree(PLUGIN / "torch_sdaa", package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in package.glob("*.py"):
        text = (
            file.read_text().replace("torch_sdaa", f"torch_{name}").replace('"sdaa"', f'"{name}"')
        )
        file.write_text(text.replace("torch.version.sdaa", f"torch.version.{name}"))
    information = folder / f"torch_{name}-0.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch_{name}\n")
    points = f"[torch.backends]\ntorch_{name} = torch_{name}:_autoload\n"
    (information / "entry_points.txt").write_text(points)
    return {"PYTHONPATH": os.pathsep.join([str(folder), environment()["PYTHONPATH"]])}


OPEN = """
import torch
from mmengine.device import get_device
from model import devices
from model.devices import device_of_type, find_device
best, named = find_device(), find_device("gcu")
devices.use_device(named, local_rank=1)
print(best == named == device_of_type("gcu"), get_device(), torch.gcu.current_device())
print(named.plugin, named.autocast, devices.device_count(named), devices.backend_spec(named))
print(devices.runtime_version(named), devices.has_float64(named), "gcu" in devices.KINDS)
"""


@pytest.mark.parametrize("autoload", ["1", "0"])
def test_a_plugin_that_the_table_does_not_know_can_be_named(autoload, tmp_path):
    shown = renamed_plugin(tmp_path, "gcu") | {"TORCH_DEVICE_BACKEND_AUTOLOAD": autoload}
    code = OPEN if autoload == "1" else OPEN.replace("find_device(), ", 'find_device("gcu"), ')
    done = python(code, shown, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "True gcu 1",
        "torch_gcu torch.float16 4 cpu:gloo,gcu:tccl",
        "0.1.simulated False False",
    ]


def test_a_training_runs_on_a_device_without_an_entry(scenes, tmp_path):
    shown = renamed_plugin(tmp_path, "gcu")
    argv = command(tmp_path / "w", options(scenes, steps=2), "--device", "gcu", "--amp")
    done = run([*argv], cwd=tmp_path, **shown)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "device: gcu (Simulated SDAA)" in done.stdout
    text = (tmp_path / "w" / "port.log").read_text()
    assert "device_kind: gcu" in text
    assert "precision: amp-float16" in text
    assert len(losses(tmp_path / "w")) == 2


@pytest.mark.parametrize("kind", ["meta", "nn", "cuda:1", "", "gcu", "../x", "privateuseone"])
def test_a_name_that_no_plugin_registered_is_unknown(kind):
    with pytest.raises(UnknownDevice, match=r"unknown device .*; expected one of"):
        find_device(kind)


def test_a_type_of_torch_without_a_device_is_absent_and_not_unknown():
    with pytest.raises(DeviceError, match="'mtia' is not present: found cpu") as caught:
        find_device("mtia")
    assert not isinstance(caught.value, UnknownDevice)


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


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_gradients_are_clipped_with_and_without_a_scale(dtype):
    use_device(find_device("cpu"))
    change = step(AmpOptimWrapper, dtype=dtype, loss_scale=128.0, clip_grad={"max_norm": 0.01})[1]
    whole = step(AmpOptimWrapper, dtype=dtype, loss_scale=128.0)[1]
    assert change.norm() <= 0.5 * 0.01 * (1 + 1e-3) < whole.norm()  # the rate times the norm
