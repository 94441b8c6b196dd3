"""A recorded step: what is in the capture, what a twin moves, and that nothing else changes."""

import json
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from capturecases import CASES, Block, Calls, made
from torch import nn
from torch.nn import functional

from harness.capture.record import Recorder, record, twin_path
from harness.capture.sketch import sketch
from harness.locate.capture import Capture
from harness.locate.compare import compare_captures
from harness.locate.format import from_bytes, to_bytes


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )


def batch(step=0):
    draws = torch.Generator().manual_seed(100 + step)
    return torch.randn(2, 3, 8, 8, generator=draws), torch.tensor([1, 4])


def train(model, steps=1, optimizer=None, recorder=None):
    """Trains, and returns the losses."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(steps):
        images, labels = batch(step)
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def recorded(model, run=train, **options) -> Capture:
    with Recorder(model, **options) as recorder:
        run(model)
    return recorder.capture()


def of(capture, kind, **fields):
    return [
        (n, r) for n, r in enumerate(capture.records)
        if r.kind == kind and all(getattr(r, k) == v for k, v in fields.items())
    ]  # fmt: skip


def names(capture, kind, **fields):
    return [r.name for _, r in of(capture, kind, **fields)]


# --- the sketch -----------------------------------------------------------------------------------


def slow_signs(bits, count):
    return [
        1 if int(word) >> k & 1 else -1 for word in bits.random_raw(count // 64) for k in range(64)
    ]


def slow_sketch(elements):
    """The sums of docs/reference/capture.md, element by element."""
    block = 1 << 20
    table = slow_signs(np.random.PCG64(20181127), min(block, -(-len(elements) // 64) * 64))
    sums, second = [0.0] * 128, []
    for i, x in enumerate(elements):
        second = slow_signs(np.random.PCG64([1811, i // block]), 128) if i % block == 0 else second
        if np.isfinite(x):
            sums[i % 128] += x * table[i % block] * second[i % 128]
    return sums


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1000, 5003])
def test_the_sketch_is_the_documented_sum(count):
    x = torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    np.testing.assert_allclose(sketch(x).sums, slow_sketch(x.tolist()), rtol=1e-12, atol=1e-12)


def test_the_sketch_of_several_blocks_uses_the_second_table():
    x = torch.zeros((1 << 21) + 5, dtype=torch.float64)
    places = [0, 200, 1 << 20, (1 << 20) + 77, (1 << 21) + 4]
    x[places] = torch.arange(1.0, 6.0, dtype=torch.float64)
    table = slow_signs(np.random.PCG64(20181127), 1 << 20)
    want = [0.0] * 128
    for place, value in zip(places, range(1, 6), strict=True):
        second = slow_signs(np.random.PCG64([1811, place >> 20]), 128)
        want[place % 128] += value * table[place % (1 << 20)] * second[place % 128]
    np.testing.assert_array_equal(sketch(x).sums, want)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8]
)
def test_the_sketch_of_a_format_is_that_of_its_numbers(dtype):
    x = (torch.rand(300, generator=torch.Generator().manual_seed(1)) * 5).to(dtype)
    np.testing.assert_allclose(sketch(x).sums, slow_sketch(x.double().tolist()), rtol=1e-12)


def test_the_sketch_takes_elements_in_order_whatever_the_strides():
    x = torch.randn(6, 10, generator=torch.Generator().manual_seed(1))
    for view in (x.t(), x[:, ::2], x.expand(3, 6, 10)):
        np.testing.assert_array_equal(sketch(view).sums, sketch(view.contiguous()).sums)
    pairs = torch.view_as_complex(x.view(6, 5, 2))
    np.testing.assert_array_equal(sketch(pairs).sums, sketch(x).sums)
    np.testing.assert_allclose(sketch(pairs.conj()).norm, float(x.norm()), rtol=1e-6)


def test_values_that_are_not_finite_are_counted_and_left_out_of_the_sums():
    x = torch.tensor([1.0, float("nan"), float("inf"), 2.0, float("-inf"), float("inf")])
    found = sketch(x)
    assert found.nonfinite == (1, 2, 1)
    assert found.norm == pytest.approx(5**0.5)
    np.testing.assert_allclose(found.sums, slow_sketch(x.tolist()))


# --- what is recorded -----------------------------------------------------------------------------


def test_a_step_is_recorded_from_the_weights_to_the_update():
    model = network()
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    capture = recorded(model)
    every = list(weights)
    for kind in ("weight", "gradient", "update"):
        assert names(capture, kind) == every
    assert names(capture, "buffer") == ["1.running_mean", "1.running_var"]
    assert names(capture, "buffer_update") == ["1.running_mean", "1.running_var"]
    assert names(capture, "input") == ["0.0"]
    assert names(capture, "loss") == ["loss"]
    modules = {r.module for _, r in of(capture, "module")}
    assert modules == {"", "0", "1", "2", "3", "4"}
    figures = {"weight": lambda n, p: weights[n], "gradient": lambda n, p: p.grad,
               "update": lambda n, p: p.double() - weights[n].double()}  # fmt: skip
    for kind, figure in figures.items():
        for (n, r), (name, p) in zip(of(capture, kind), model.named_parameters(), strict=True):
            want = figure(name, p).detach()
            assert capture.norms[n] == pytest.approx(float(want.norm()), rel=1e-6)
            np.testing.assert_array_equal(capture.sketches[n], sketch(want).sums.astype(np.float32))
            assert (r.shape, r.dtype) == (tuple(p.shape), "float32")


def test_operators_carry_module_pass_line_and_what_they_are_made_from():
    capture = recorded(network())
    (convolution,) = of(capture, "operator", name="aten::convolution")
    n, r = convolution
    assert (r.module, r.phase, r.call, r.order) == ("0", "forward", 0, 0)
    assert r.source.startswith("tests/test_model_capture_record.py:")
    assert [capture.records[m].name for m in r.made_from] == ["0.0", "0.weight", "0.bias"]
    (norm, *_) = of(capture, "operator", name="aten::native_batch_norm")
    assert n in norm[1].made_from
    backward = of(capture, "operator", name="aten::convolution_backward")
    assert {(r.module, r.phase) for _, r in backward} == {("0", "backward")}
    (gradient,) = of(capture, "gradient", name="0.weight")
    assert {capture.records[m].name for m in gradient[1].made_from} == {
        "aten::convolution_backward"
    }
    orders = [r.order for _, r in of(capture, "operator")]
    assert orders == sorted(orders)
    assert not any("optimizer" in r.phase for r in capture.records)


@pytest.mark.parametrize("name", CASES)
def test_any_step_can_be_recorded_and_read_back(name):
    model, step = made(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        capture = recorded(model, lambda _: step())
    again = from_bytes(to_bytes(capture), source="x")
    assert again.records == capture.records
    np.testing.assert_array_equal(again.sketches, capture.sketches)
    assert {"weight", "input", "operator", "gradient", "update"} <= {
        r.kind for r in again.records
    } | ({"input"} if name == "embedding_bag" else set())


def test_the_same_start_gives_the_same_bytes(tmp_path):
    for name in ("a.capture", "b.capture"):
        model = network()
        with record(model, tmp_path / name):
            train(model)
    assert (tmp_path / "a.capture").read_bytes() == (tmp_path / "b.capture").read_bytes()


def test_a_capture_has_less_than_a_kilobyte_for_a_record_and_is_safetensors(tmp_path):
    from safetensors import safe_open

    block = Block()
    with record(block, tmp_path / "a.capture"):
        block(torch.randint(0, 50, (2, 16))).square().mean().backward()
    count = len(from_bytes((tmp_path / "a.capture").read_bytes(), source="a").records)
    assert count > 100
    assert (tmp_path / "a.capture").stat().st_size < 1000 * count
    with safe_open(tmp_path / "a.capture", "numpy") as file:
        assert sorted(file.keys()) == ["nonfinite", "norms", "sketches"]
        assert json.loads(file.metadata()["capture"])["format_version"] == 1


@dataclass
class Sample:
    image: torch.Tensor
    size: int


def test_inputs_inside_dicts_and_objects_are_recorded():
    def forward(self, batch, samples, scale):
        images = batch["images"] + torch.stack([s.image for s in samples])
        return {"loss": self.linear(images * scale).square().mean(), "extra": images}

    model = Calls(lambda *_: None, linear=nn.Linear(4, 2))
    model.forward = forward.__get__(model)
    samples = [Sample(torch.randn(4), 3), Sample(torch.randn(4), 4)]

    def run(model):
        model({"images": torch.randn(2, 4)}, samples, scale=torch.tensor(2.0))["loss"].backward()

    capture = recorded(model, run)
    assert names(capture, "input") == ["0.0.images", "0.1.0.image", "0.1.1.image", "1.scale"]
    assert names(capture, "loss") == ["loss", "loss"]  # the network's, and that of backward()
    assert names(capture, "module", module="") == ["loss", "extra"]


def test_wrappers_of_parallel_training_leave_no_trace_in_the_names():
    import torch.distributed as dist

    plain = recorded(network())
    parallel = recorded(nn.DataParallel(network()))
    assert [r._replace(source="", order=0) for r in parallel.records] == [
        r._replace(source="", order=0) for r in plain.records
    ]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(network())
        capture = recorded(model)
    finally:
        dist.destroy_process_group()
    for kind in ("weight", "gradient", "update", "module"):
        assert names(capture, kind) == names(plain, kind)


def test_several_steps_are_recorded_and_later_ones_are_not():
    capture = recorded(network(), lambda model: train(model, 4), steps=3)
    assert {r.step for r in capture.records} == {0, 1, 2}
    for kind in ("input", "gradient", "update", "loss"):
        assert [r.step for _, r in of(capture, kind, name=names(capture, kind)[0])] == [0, 1, 2]
    assert {r.step for _, r in of(capture, "weight")} == {0}
    first = of(capture, "operator", step=0)
    assert [r.name for _, r in of(capture, "operator", step=2)] == [r.name for _, r in first]


def test_the_parts_of_an_accumulated_gradient_are_one_step():
    def run(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            for part in range(3):
                model(batch(part)[0]).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

    capture = recorded(network(), run)
    assert {r.step for r in capture.records} == {0}
    assert [r.call for _, r in of(capture, "input")] == [0, 1, 2]
    assert len(names(capture, "loss")) == 3
    assert names(capture, "update") == names(capture, "weight")


def test_a_network_without_torchs_optimizer_has_steps_too():
    def run(model):
        for step in range(3):
            model(batch(step)[0]).square().mean().backward()
            with torch.no_grad():
                for p in model.parameters():
                    p.sub_(0.1 * p.grad)
                    p.grad = None

    capture = recorded(network(), run, steps=5)
    assert {r.step for r in capture.records} == {0, 1, 2}


def test_a_network_that_is_called_twice_in_a_step_has_two_calls():
    def run(model):
        (model(batch(0)[0]).mean() + model(batch(1)[0]).mean()).backward()

    capture = recorded(network(), run)
    assert {r.step for r in capture.records} == {0}
    assert [(r.name, r.call) for _, r in of(capture, "input")] == [("0.0", 0), ("0.0", 1)]
    assert {r.call for _, r in of(capture, "module", module="4")} == {0, 1}


@pytest.mark.parametrize("moment", ["before", "between", "in the middle"])
def test_evaluations_leave_no_record(moment):
    images = batch(9)[0]

    def evaluate(model):
        model.eval()
        with torch.no_grad():
            model(images)
        model.train()

    def run(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if moment == "before":
            evaluate(model)
        for step in range(2):
            loss = model(batch(step)[0]).square().mean()
            if moment == "in the middle":
                evaluate(model)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if moment == "between":
                evaluate(model)

    def plain(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(2):
            model(batch(step)[0]).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

    with_evaluations, without = (
        recorded(network(), run, steps=2),
        recorded(network(), plain, steps=2),
    )
    key = [(r.kind, r.name, r.module, r.step, r.call) for r in without.records]
    assert [(r.kind, r.name, r.module, r.step, r.call) for r in with_evaluations.records] == key
    np.testing.assert_array_equal(with_evaluations.sketches, without.sketches)


def test_the_update_of_one_of_two_optimizers_is_its_own():
    model = network()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.Adam(model[4].parameters(), lr=0.1)
    other = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)

    def run(model):
        other.step()
        model(batch()[0]).square().mean().backward()
        other.step()
        first.step()
        second.step()

    capture = recorded(model, run)
    assert names(capture, "update") == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert names(capture, "gradient") == names(capture, "weight")


def test_a_step_of_lbfgs_is_one_step():
    model, step = made("lbfgs")
    capture = recorded(model, lambda _: step())
    assert {r.step for r in capture.records} == {0}
    assert set(names(capture, "update")) == set(names(capture, "weight"))
    assert any(capture.norms[n] > 0 for n, _ in of(capture, "update"))


def test_gradients_without_an_update_are_recorded_at_the_end():
    capture = recorded(network(), lambda model: model(batch()[0]).square().mean().backward())
    assert names(capture, "gradient") == names(capture, "weight")
    assert names(capture, "update") == []


def test_parameters_of_zeros_are_stated():
    model = network()
    nn.init.zeros_(model[1].weight)
    assert recorded(model).zeros == ("1.weight",)


# --- twins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_a_twin_moves_weights_and_inputs_by_a_rounding_of_the_format(precision):
    unit = 2.0**-23 if precision is None else 2.0**-8

    def run(model):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is not None):
            seen.append([])
            handle = model.register_forward_pre_hook(
                lambda m, args: seen[-1].append(args[0].clone())
            )
            model(batch()[0]).square().mean().backward()
            handle.remove()

    seen = []
    plain, twin = network(), network()
    captures = [recorded(plain, run), recorded(twin, run, twin=1)]
    pairs = [*zip(plain.parameters(), twin.parameters(), strict=True), (seen[0][0], seen[1][0])]
    for one, other in pairs:
        before, after = one.detach().double(), other.detach().double()
        assert torch.equal(after[before == 0], before[before == 0])
        steps = ((after - before) / before)[before != 0].abs().tolist()
        # in float32 a product rounds to one or two units in the last place
        assert all(
            unit / 2.1 < step <= unit * (1.5 if precision is None else 1.0001) for step in steps
        )
    for kind in ("weight", "input"):
        for (n, _), (m, _) in zip(of(captures[0], kind), of(captures[1], kind), strict=True):
            distance = np.linalg.norm(captures[0].sketches[n] - captures[1].sketches[m])
            if captures[0].norms[n]:
                assert 0 < distance / captures[0].norms[n] < 2 * unit
    assert (captures[1].twin, captures[1].moved) == (1, True)


def test_a_twin_leaves_whole_numbers_buffers_and_the_random_state_as_they_are():
    block = Block()
    tokens = torch.randint(0, 50, (2, 16))
    state = torch.get_rng_state()
    seen = []
    block.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    recorded(block, lambda model: model(tokens).mean().backward(), twin=2)
    assert torch.equal(seen[0], tokens)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_twin_that_is_not_moved_repeats_the_step():
    plain, twin = recorded(network()), recorded(network(), twin=1, moved=False)
    np.testing.assert_array_equal(plain.sketches, twin.sketches)
    assert (twin.twin, twin.moved) == (1, False)


def test_twins_differ_from_each_other():
    one, two = recorded(network(), twin=1), recorded(network(), twin=2)
    assert not np.array_equal(one.sketches, two.sketches)


@pytest.mark.parametrize(
    ("twin", "before", "after"),
    [(0, "plain", "plain"), (1, "plain", "last"), (1, "last", "plain"), (2, "last", "last")],
)
def test_an_odd_twin_computes_in_the_other_memory_format(twin, before, after):
    formats = {"plain": torch.contiguous_format, "last": torch.channels_last}
    model, seen = network(), []
    model[1].register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    images = batch()[0].contiguous(memory_format=formats[before])

    def run(model):
        model(images).mean().backward()

    recorded(model, run, twin=twin)
    run(model)
    for output, expected in zip(seen, (after, before), strict=True):
        assert output.is_contiguous(memory_format=formats[expected])


def test_a_candidate_in_the_other_memory_format_passes():
    """The CPU's mean of 131,072 pixels errs by 1e-5 channels last, and by 2e-8 channels first."""
    images = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(3))

    def captured(twin, memory_format):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        given = images.contiguous(memory_format=memory_format)
        return recorded(model, lambda model: model(given).square().mean().backward(), twin=twin)

    ours, *twins = (captured(twin, torch.contiguous_format) for twin in range(3))
    theirs = captured(0, torch.channels_last)
    found = compare_captures(ours, theirs, baseline_twins=twins, candidate_twins=())
    assert found.outcome == "pass", found.headline
    with_one_format = compare_captures(ours, theirs, baseline_twins=twins[1:], candidate_twins=())
    assert with_one_format.outcome == "fail"


def test_twins_lie_beside_the_capture():
    assert twin_path("runs/gpu.capture", 0).as_posix() == "runs/gpu.capture"
    assert twin_path("runs/gpu.capture", 2).as_posix() == "runs/gpu.twin2.capture"


# --- nothing else changes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["encoder_layer", "convolutions_2d", "checkpoint_saved_tensors", "adamw_fused"]
)
def test_recording_changes_no_bit_of_the_training(name):
    def run(watched):
        model, step = made(name)
        seen = []
        model.register_forward_hook(lambda m, i, o: seen.append(o.detach().clone()))
        if watched:
            with Recorder(model):
                step()
        else:
            step()
        step()
        return [*seen, torch.get_rng_state(), *(p.detach() for p in model.parameters())]

    for plain, watched in zip(run(False), run(True), strict=True):
        assert torch.equal(plain, watched)


def test_everything_is_restored_after_an_error_inside_the_block(tmp_path):
    before = torch.autograd.backward
    model = network()
    with pytest.raises(RuntimeError), record(model, tmp_path / "a.capture"):
        model(torch.randn(2, 3, 9, 9))
    assert torch.autograd.backward is before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not list(tmp_path.iterdir())
    assert len(recorded(model).records) > 50


def test_a_block_without_a_step_is_an_error(tmp_path):
    model = network()

    def evaluate():
        with record(model, tmp_path / "a.capture"), torch.no_grad():
            model(batch()[0])

    with pytest.raises(ValueError, match="nothing was recorded"):
        evaluate()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "message"), [
    ({"steps": 0}, "steps is 0; expected 1 or more"), ({"twin": -1}, "twin is -1; expected 0"),
])  # fmt: skip
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recorder(network(), **options)


def test_a_compiled_network_is_refused(tmp_path):
    model = torch.compile(network(), backend="eager")
    with (
        pytest.raises(ValueError, match=r"^the network is compiled"),
        record(model, tmp_path / "a"),
    ):
        pass


def test_the_input_of_a_module_is_what_its_hooks_leave():
    def inputs(hook):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
        if hook:
            network[1].register_forward_pre_hook(lambda _, args: (args[0].mul(2),))
        with Recorder(network) as recorder:
            network(torch.ones(3, 4)).sum().backward()
        found = recorder.capture()
        return {
            r.module: found.norms[n]
            for n, r in enumerate(found.records)
            if r.kind == "module" and r.name.startswith("input")
        }

    plain, changed = inputs(hook=False), inputs(hook=True)
    assert changed["0"] == plain["0"]
    assert changed["1"] == pytest.approx(2 * plain["1"])
