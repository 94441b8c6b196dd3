"""The simulated accelerator itself: a device like others, and faults that do what they say."""

import shutil
import subprocess
import sys
import threading
import time

import pytest
import torch
from simulated import builder, plugged, present
from tiny_run import environment
from torch import nn
from torch.nn import functional as F  # noqa: N812

from model.amp import AmpOptimWrapper
from model.devices import find_device, use_device


@pytest.fixture(scope="module")
def device():
    with present() as simulation:
        yield simulation


@pytest.fixture
def sdaa(device):
    yield device
    device.heal()


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Flatten(), nn.Linear(8 * 36, 4),
        nn.LogSoftmax(1),
    )  # fmt: skip


def step(place):
    """Returns the loss, the gradients and the buffers of a step, on the CPU."""
    net = network().to(place)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to(place)
    loss = F.nll_loss(net(x), torch.tensor([1, 3]).to(place))
    loss.backward()
    return [loss, *(p.grad for p in net.parameters()), *net.buffers()]


def same(ours, theirs):
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in zip(ours, theirs, strict=True))


# --- a device


def test_a_step_has_the_bits_of_the_cpu_and_running_statistics_are_kept(sdaa):
    assert same(step("sdaa"), step("cpu"))
    assert sdaa.calls()["aten::convolution_overrideable"] == 1
    assert sdaa.fell_back() == {}


def test_its_memory_is_no_tensor_of_the_cpu(sdaa):
    x = torch.ones(2, 3, device="sdaa")
    with pytest.raises(TypeError, match="can't convert sdaa:0 device type tensor to numpy"):
        x.numpy()
    for other in (torch.ones(2, 3), torch.ones(2, 3, device="sdaa:1")):
        with pytest.raises(RuntimeError, match=f"same device, but .*, sdaa:0 and {other.device}"):
            x + other
    with pytest.raises(RuntimeError, match="same device"):
        F.conv2d(torch.ones(1, 1, 3, 3, device="sdaa"), torch.ones(1, 1, 3, 3))
    assert (x + torch.tensor(1.0)).tolist() == [[2.0] * 3] * 2


def test_four_devices_of_which_one_is_current(sdaa):
    assert torch.sdaa.device_count() == torch.accelerator.device_count() == 4
    assert torch.accelerator.current_accelerator() == torch.device("sdaa")
    with torch.sdaa.device(2):
        assert torch.empty(1, device="sdaa").device == torch.device("sdaa:2")
    assert torch.empty(1, device="sdaa").device == torch.device("sdaa:0")
    with pytest.raises(RuntimeError, match=r"SDAA error: invalid device ordinal 4; .* sees 4"):
        torch.empty(1, device="sdaa:4")


def test_streams_and_events_do_nothing(sdaa):
    stream, event = torch.Stream("sdaa"), torch.Event("sdaa")
    event.record(stream)
    stream.wait_event(event)
    event.synchronize()
    assert stream.query()
    torch.accelerator.synchronize()


def test_the_generator_is_another_one_than_the_cpus(sdaa):
    torch.manual_seed(3)
    on_host = torch.rand(8)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    numbers = [torch.rand(8, device=f"sdaa:{index}").cpu() for index in (0, 1)]
    assert torch.equal(*numbers)
    assert not torch.equal(numbers[0], on_host)
    torch.rand(8)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.randn(8, device="sdaa"),
        lambda: torch.randperm(8, device="sdaa"),
        lambda: F.dropout(torch.ones(64, device="sdaa")),  # its operator takes no generator
    ],
    ids=["randn", "randperm", "dropout"],
)
def test_random_operators_repeat_from_a_seed_and_from_a_state(sdaa, draw):
    torch.sdaa.manual_seed_all(5)
    on_host = torch.get_rng_state()
    first, second = draw(), draw()
    torch.manual_seed(5)
    assert torch.equal(draw(), first)
    state = torch.sdaa.get_rng_state()
    assert torch.equal(draw(), second)
    torch.sdaa.set_rng_state(state)
    assert torch.equal(draw(), second)
    assert not torch.equal(first, second)
    torch.set_rng_state(on_host)


def test_dropout_draws_other_masks_than_the_cpu(sdaa):
    masks = []
    for place in ("cpu", "sdaa"):
        torch.manual_seed(0)
        masks.append(F.dropout(torch.ones(64, device=place)).cpu())
    assert not torch.equal(*masks)


def test_a_generator_of_a_program_draws_alone(sdaa):
    drawn = [
        torch.rand(4, device="sdaa", generator=torch.Generator("sdaa").manual_seed(7))
        for _ in range(2)
    ]
    assert torch.equal(*drawn)
    with pytest.raises(RuntimeError, match="expected a generator of an sdaa device"):
        torch.rand(4, device="sdaa").uniform_(generator=torch.Generator())


def test_there_is_no_float64(sdaa):
    for make in (
        lambda: torch.zeros(2, dtype=torch.float64, device="sdaa"),
        lambda: torch.zeros(2, device="sdaa").double(),
        lambda: torch.zeros(2, dtype=torch.float64).to("sdaa"),
    ):
        with pytest.raises(TypeError, match=r"a tensor of Double .* no float64; use float32"):
            make()
    assert torch.zeros(2, device="sdaa").cpu().double().dtype == torch.float64
    assert "0.5000" in str(torch.tensor([0.5], device="sdaa"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast(sdaa, dtype):
    net, x = network().to("sdaa"), torch.ones(2, 3, 8, 8, device="sdaa")
    with torch.autocast("sdaa", dtype=dtype):
        assert net[0](x).dtype == dtype
        assert net(x).dtype == torch.float32  # of the logarithm
    assert net[0](x).dtype == torch.float32


def test_memory_is_counted_per_device_and_limited(sdaa):
    before = torch.sdaa.memory_allocated(1)
    torch.sdaa.reset_peak_memory_stats(1)
    x = torch.empty(1024, device="sdaa:1")
    del x
    assert torch.sdaa.memory_allocated(1) == before
    assert torch.sdaa.max_memory_allocated(1) == before + 4096
    sdaa.set_memory_limit(before + 8192)
    try:
        with pytest.raises(torch.OutOfMemoryError, match=r"SDAA out of memory\. Tried to allocate"):
            torch.empty(4096, device="sdaa:1")
        assert torch.sdaa.mem_get_info(1) == (8192, before + 8192)
        torch.empty(1024, device="sdaa:1")
    finally:
        sdaa.set_memory_limit(2**34)


def test_tensors_are_saved_and_loaded(sdaa, tmp_path):
    x = torch.randn(3, device="sdaa:1")
    torch.save(x, tmp_path / "x.pt")
    assert torch.load(tmp_path / "x.pt", weights_only=True).device == torch.device("sdaa:1")
    on_host = torch.load(tmp_path / "x.pt", map_location="cpu", weights_only=True)
    assert torch.equal(on_host, x.cpu())


@pytest.mark.parametrize("scale", [128.0, 3.0])
def test_gradients_are_unscaled_without_float64(sdaa, scale):
    """3 has no exact inverse: float32 and float64 round it differently."""
    found = []
    for place in ("cpu", "sdaa"):
        use_device(find_device(place))
        weight = nn.Parameter(torch.linspace(0.1, 1, 8).to(place))
        wrapper = AmpOptimWrapper(
            optimizer=torch.optim.SGD([weight], lr=0.5), dtype="float16", loss_scale=scale
        )
        wrapper.update_params((weight * weight).sum())
        found.append(weight.detach().cpu())
        scaler = wrapper.loss_scaler
        assert (scaler.get_scale(), scaler._scale.device.type) == (scale, place)
    use_device(find_device("cpu"))
    assert torch.equal(*found)


# --- faults of kernels


def softmax(x):
    return torch.softmax(x, -1)


def convolution(x):
    return F.conv2d(x[None], torch.linspace(-1, 1, 18).view(1, 2, 3, 3).to("sdaa"))[0]


def batch_norm(x):
    return F.batch_norm(x[None], None, None, training=True)[0]


def matrix(x):
    return torch.bmm(x, x)


KERNELS = {
    "aten::_softmax": softmax,
    "aten::convolution_overrideable": convolution,
    "aten::native_batch_norm": batch_norm,
    "aten::bmm": matrix,
}


def row(x):
    """Returns the place of the row in the middle of all rows."""
    return x.flatten(0, -2).shape[0] // 2


def changed(kind, x, before):
    """Returns what a fault makes of `x`, by torch's words; `before` is of the previous call."""
    x = x.clone()
    flat = x.view(-1)
    at = flat.numel() // 2
    if kind == "scale":
        x *= 1.001
    elif kind == "offset":
        x += 1e-3
    elif kind == "bf16":
        x = x.bfloat16().float()
    elif kind == "truncate":
        x = ((x.view(torch.int32) >> 13) << 13).view(torch.float32)
    elif kind == "lastcol":
        x[..., -1] = 0
    elif kind == "firstrow":
        x[..., 0, :] = 0
    elif kind == "sign":
        x.flatten(0, -2)[row(x)] *= -1
    elif kind == "nan":
        flat[at] = torch.nan
    elif kind == "stale":
        flat[at] = before.reshape(-1)[at]
    elif kind == "swap":
        flat[0], flat[-1] = flat[-1].item(), flat[0].item()
    return x


KINDS = ("scale", "offset", "bf16", "truncate", "lastcol", "firstrow", "sign", "nan", "stale",
         "swap")  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_does_what_its_kind_says_and_heals(sdaa, name, kind):
    run = KERNELS[name]
    x, y = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(0)).to("sdaa")
    healthy = run(y).cpu()
    previous = run(x).cpu()
    sdaa.plant(name, kind)
    run(x)
    found = run(y).cpu()
    expected = changed(kind, healthy, previous)
    assert torch.equal(found.nan_to_num(9.0), expected.nan_to_num(9.0))
    assert not torch.equal(found, healthy)
    sdaa.heal()
    assert torch.equal(run(y).cpu(), healthy)


def test_noise_is_of_a_few_units_in_the_last_place_and_new_in_each_call(sdaa):
    x = torch.rand(64, 64, device="sdaa")
    healthy = softmax(x).cpu().double()
    sdaa.plant("aten::_softmax", "noise")
    first, second = softmax(x).cpu(), softmax(x).cpu()
    assert not torch.equal(first, second)
    assert 0 < (first / healthy - 1).abs().max() <= 5 * 2**-23
    sdaa.heal()
    assert torch.equal(softmax(x).cpu().double(), healthy)


def test_every_kind_has_a_test(sdaa):
    assert set(sdaa.DEFAULTS) == {*KINDS, "noise"}
    with pytest.raises(ValueError, match="unknown kind of fault 'worse'; expected one of bf16, fi"):
        sdaa.plant("aten::bmm", "worse")


@pytest.mark.parametrize(
    ("when", "expected"),
    [({}, [1, 1, 1, 1]), ({"nth": 3}, [0, 0, 1, 0]), ({"after": 2}, [0, 0, 1, 1])],
)
def test_a_fault_may_spare_calls(sdaa, when, expected):
    x = torch.rand(2, 3, 3, device="sdaa")
    sdaa.plant("aten::bmm", "scale", 2.0, **when)
    healthy = torch.bmm(x.cpu(), x.cpu())
    assert [int(not torch.equal(matrix(x).cpu(), healthy)) for _ in expected] == expected


def test_backward_kernels_and_optimizer_steps_can_be_wrong(sdaa):
    healthy = step("sdaa")
    for name in ("convolution_backward_overrideable", "native_batch_norm_backward"):
        sdaa.plant(f"aten::{name}", "scale", 1.5)
        found = step("sdaa")
        assert torch.equal(found[0], healthy[0])
        assert not torch.equal(found[1], healthy[1])
        sdaa.heal()
    weights = []
    for kind in (None, "offset"):
        weight = nn.Parameter(torch.ones(3, device="sdaa"))
        weight.grad = torch.ones_like(weight)
        if kind:
            sdaa.plant("aten::_fused_sgd_", kind, 1.0)
        torch.optim.SGD([weight], lr=0.5, fused=True).step()
        weights.append(weight.tolist())
    assert weights == [[0.5] * 3, [1.5] * 3]


# --- failures


def test_a_missing_operator_falls_back_with_a_warning_or_in_silence_or_raises(sdaa):
    x = torch.rand(4, device="sdaa")
    healthy = torch.cumsum(x, 0)
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    for mode in ("warn", "silent"):
        assert has_kernel("aten::cumsum.out", "PrivateUse1")
        sdaa.miss("aten::cumsum", mode)
        assert not has_kernel("aten::cumsum.out", "PrivateUse1")
        if mode == "warn":
            with pytest.warns(
                UserWarning, match=r"'aten::cumsum\.out' .*fall back to run on the CPU"
            ):
                torch.cumsum(x, 0)
        assert torch.equal(torch.cumsum(x, 0), healthy)
        assert set(sdaa.fell_back()) == {"aten::cumsum.out"}
        sdaa.heal()
        assert sdaa.fell_back() == {}
    sdaa.miss("aten::cumsum", "raise")
    with pytest.raises(
        NotImplementedError, match=r"'aten::cumsum\.out' is not currently implemented"
    ):
        torch.cumsum(x, 0)
    with pytest.raises(ValueError, match="no operator 'aten::cumsun'; expected a name such as"):
        sdaa.miss("aten::cumsun")


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.cpu(),
        lambda x: x[0, 0, 0].item(),
        lambda x: torch.sdaa.synchronize(),
        lambda x: torch.accelerator.synchronize(),
        lambda x: torch.equal(x, x),
    ],
    ids=["copy", "item", "synchronize", "accelerator", "equal"],
)
def test_the_error_of_a_kernel_appears_at_the_next_synchronisation(sdaa, wait):
    x = torch.rand(2, 3, 3, device="sdaa")
    sdaa.fail("aten::bmm", nth=2)
    wait(matrix(x) + 1)
    y = matrix(x) + 1
    with pytest.raises(RuntimeError, match="SDAA error: an illegal memory access was encountered"):
        wait(y)
    torch.sdaa.synchronize(1)
    with pytest.raises(RuntimeError, match="SDAA error"):
        torch.sdaa.synchronize(0)


def test_a_lost_device_answers_no_call(sdaa):
    x = torch.ones(3, device="sdaa")
    sdaa.lose_after(2)
    y = x + 1
    y = y + 1
    for call in (lambda: y + 1, lambda: y.cpu(), torch.sdaa.synchronize):
        with pytest.raises(RuntimeError, match="SDAA error: device 0 is lost"):
            call()
    sdaa.heal()
    assert y.tolist() == [3.0] * 3


def test_a_loader_pins_its_batches(sdaa):
    loader = torch.utils.data.DataLoader(torch.arange(6.0), batch_size=3, pin_memory=True)
    assert [batch.to("sdaa", non_blocking=True).tolist() for batch in loader] == [
        [0.0, 1.0, 2.0], [3.0, 4.0, 5.0]
    ]  # fmt: skip


# --- the build


def test_it_is_built_once_and_again_when_a_source_changes(tmp_path, monkeypatch):
    build = builder()
    monkeypatch.setenv("TORCH_SDAA_BUILD", str(tmp_path))
    shutil.copytree(build.SOURCES, tmp_path / "csrc")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "csrc")
    built = []

    def compile_slowly(path):
        time.sleep(0.2)
        path.parent.mkdir()
        path.touch()
        built.append(path)

    monkeypatch.setattr(build, "_built", compile_slowly)
    monkeypatch.setattr(build, "_imported", lambda path: None)
    for count in (1, 2):
        workers = [threading.Thread(target=build.load) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(built) == count
        (tmp_path / "csrc" / "device.h").write_text("// another\n")
    assert len(set(built)) == 2


def test_without_a_compiler_the_reason_is_named(tmp_path, monkeypatch):
    build = builder()
    monkeypatch.setenv("TORCH_SDAA_BUILD", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.lacking() == "no no-such-compiler on the PATH"


# --- in processes

COLLECTIVES = """
import os
import torch
from torch import distributed as dist

rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
torch.sdaa.set_device(rank)
dist.init_process_group("cpu:gloo,sdaa:tccl")
assert dist.get_default_backend_for_device("sdaa") == "tccl"

def full(value):
    return torch.full((2,), float(value), device="sdaa")

def empty(count=1):
    return [torch.empty(2, device="sdaa") for _ in range(count)]

def values(tensors):
    assert all(t.device == torch.device("sdaa", rank) for t in tensors)
    return [t[0].item() for t in tensors]

every = list(range(size))
total = sum(every)
for op, expected in (("SUM", total), ("AVG", total / size), ("MAX", size - 1)):
    x = full(rank)
    dist.all_reduce(x, getattr(dist.ReduceOp, op))
    assert values([x]) == [expected], op
x = full(rank); dist.broadcast(x, 1); assert values([x]) == [1]
x = full(rank); dist.reduce(x, 0); assert rank or values([x]) == [total]
out = empty(size); dist.all_gather(out, full(rank)); assert values(out) == every
out = torch.empty(2 * size, device="sdaa")
dist._all_gather_base(out, full(rank))
assert out[::2].tolist() == every
out = empty(size) if rank == 0 else None
dist.gather(full(rank), out); assert rank or values(out) == every
out = empty()
dist.scatter(out[0], [full(i) for i in every] if rank == 0 else None); assert values(out) == [rank]
dist.reduce_scatter(out[0], [full(i) for i in every]); assert values(out) == [rank * size]
dist._reduce_scatter_base(out[0], torch.cat([full(i) for i in every]))
assert values(out) == [rank * size]
x = torch.empty(size, device="sdaa")
dist.all_to_all_single(x, full(rank).repeat(size)[:size]); assert x.tolist() == every
if rank == 0:
    dist.send(full(5), 1)
else:
    dist.recv(out[0], 0); assert values(out) == [5]
work = dist.all_reduce(full(1), async_op=True)
work.wait(); assert values(work.get_future().value()) == [size]
dist.barrier()
found = [None] * size; dist.all_gather_object(found, {"rank": rank})
assert found == [{"rank": i} for i in every]
box = [rank]; dist.broadcast_object_list(box, 0, device=torch.device("sdaa")); assert box == [0]
cpu = torch.ones(2); dist.all_reduce(cpu); assert cpu.tolist() == [size] * 2

torch.manual_seed(0)
net = torch.nn.Linear(3, 2).to("sdaa")
net = torch.nn.parallel.DistributedDataParallel(net, device_ids=[rank])
net(torch.full((1, 3), float(rank), device="sdaa")).sum().backward()
assert net.module.weight.grad.tolist() == [[total / size] * 3] * 2
dist.destroy_process_group()
print("every collective agrees", flush=True)
os._exit(0)  # gloo's threads sometimes abort a process that ends on a busy machine
"""


def test_collectives_of_two_ranks(tmp_path):
    script = tmp_path / "collectives.py"
    script.write_text(COLLECTIVES)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *launch, script], env=environment(**plugged()),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("every collective agrees") == 2


def test_torch_loads_the_plugin_and_variables_control_it():
    code = (
        "import torch; x = torch.ones(2, 2, 2, device='sdaa');"
        "print(torch.sdaa.device_count(), torch.bmm(x, x).tolist(), torch.sdaa.mem_get_info()[1]);"
        "print(torch.cumsum(x, 0))"
    )
    controls = plugged(
        devices="2", faults="aten::bmm:scale:2:nth=1 aten::mm:nan", memory="4096",
        missing="aten::cumsum:raise",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(**controls),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout == "2 [[[4.0, 4.0], [4.0, 4.0]], [[4.0, 4.0], [4.0, 4.0]]] 4096\n"
    assert "NotImplementedError: The operator 'aten::cumsum.out'" in done.stderr
