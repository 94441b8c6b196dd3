"""A replay names the operator with the wrong kernel, its module, pass, line and worst element."""

import json
import subprocess
import sys

import pytest
import torch
from capturecases import Block, Calls, made
from capturefaults import FAULTS, Damage, not_a_number, one_element, scaled, zero_last
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from harness.capture.budget import Budget
from harness.capture.operators import bare_name
from harness.capture.replay import Replay, replay

FORWARD, BACKWARD, OPTIMIZER = "forward", "backward", "optimizer"
PLANTED = [
    # case, operator, module, pass, nth call
    ("transformer", "embedding", "embedding", FORWARD, 0),
    ("transformer", "native_layer_norm", "norm1", FORWARD, 0),
    ("transformer", "addmm", "out", FORWARD, 1),
    ("transformer", "_scaled_dot_product_flash_attention_for_cpu", "", FORWARD, 0),
    ("transformer", "gelu", "mlp.1", FORWARD, 0),
    ("transformer", "_log_softmax", "", FORWARD, 0),
    ("transformer", "nll_loss_forward", "", FORWARD, 0),
    ("transformer", "_log_softmax_backward_data", "", BACKWARD, 0),
    ("transformer", "mm", "head", BACKWARD, 0),
    ("transformer", "mm", "mlp.2", BACKWARD, 2),
    ("transformer", "gelu_backward", "mlp.1", BACKWARD, 0),
    ("transformer", "native_layer_norm_backward", "norm2", BACKWARD, 0),
    ("transformer", "_scaled_dot_product_flash_attention_for_cpu_backward", "", BACKWARD, 0),
    ("transformer", "embedding_dense_backward", "embedding", BACKWARD, 0),
    ("adamw_fused", "_fused_adamw_", "", OPTIMIZER, 0),
    ("convolutions_2d", "convolution", "3", FORWARD, 1),
    ("convolutions_2d", "native_batch_norm", "1", FORWARD, 0),
    ("convolutions_2d", "relu_", "2", FORWARD, 0),
    ("convolutions_2d", "convolution_backward", "6", BACKWARD, 0),
    ("convolutions_2d", "native_batch_norm_backward", "4", BACKWARD, 0),
    ("convolutions_2d", "threshold_backward", "2", BACKWARD, 0),
    ("convolutions_2d", "silu_backward", "5", BACKWARD, 0),
    ("convolutions_3d", "avg_pool3d_backward", "3", BACKWARD, 0),
    ("resizing", "upsample_bilinear2d", "", FORWARD, 0),
    ("resizing", "grid_sampler_2d", "", FORWARD, 0),
    ("gru_packed", "tanh_backward", "gru", BACKWARD, 0),
    ("other_norms", "native_group_norm_backward", "1", BACKWARD, 0),
    ("indexing", "index_add", "", FORWARD, 0),
    ("accumulated", "add_", "2", BACKWARD, 0),
    ("cancelling_gradients", "_softmax_backward_data", "", BACKWARD, 0),
]


def located(name, *damage, precision=None, output=0):
    network, step = made(name)
    nth = damage[2] if len(damage) > 2 else None
    with (
        Damage(*damage[:2], nth=nth, output=output) as fault,
        replay(network, quiet=True) as watched,
        torch.autocast("cpu", precision or torch.bfloat16, enabled=bool(precision)),
    ):
        step()
    assert fault.damaged
    return watched.located


def first(result):
    assert result.outcome == "fail"
    return result.culprits[0]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("case", "operator", "module", "phase", "nth"), PLANTED)
def test_a_wrong_kernel_is_named(case, operator, module, phase, nth, fault):
    result = located(case, operator, FAULTS[fault], nth)
    row = first(result)
    assert (bare(row), row.module, row.phase) == (operator, module, phase)
    assert {bare(culprit) for culprit in result.culprits} == {operator}
    if phase != OPTIMIZER and (phase, operator) != (BACKWARD, "add_"):
        assert row.source.startswith("tests/capturecases.py:")


def bare(row):
    return row.operator.rpartition("::")[2].partition(".")[0]


@pytest.mark.parametrize("fault", ["one_element", "last_column", "nan"])
@pytest.mark.parametrize(
    "planted", [p for p in PLANTED if p[0] in {"transformer", "convolutions_2d"}]
)
def test_a_gross_fault_is_named_in_bfloat16(planted, fault):
    case, operator, module, _, nth = planted
    gross = {**FAULTS, "one_element": one_element(1.5)}[fault]
    row = first(located(case, operator, gross, nth, precision=torch.bfloat16))
    assert (bare(row), row.module) == (operator, module)


@pytest.mark.parametrize("operator", ["addmm", "mm", "gelu", "native_layer_norm", "_log_softmax"])
def test_a_scale_of_one_percent_is_named_in_bfloat16(operator):
    # it is less than one unit in the last place, 0.8 %, of most elements
    assert (
        bare(first(located("transformer", operator, scaled(1.01), precision=torch.bfloat16)))
        == operator
    )


def test_the_note_names_the_worst_element():
    def fault(result):
        result[1, 3, 7] = 100.0

    row = first(located("transformer", "gelu", fault, 0))
    assert "element [1, 3, 7] is 100, exact " in row.note


def test_the_line_of_the_program_is_that_of_the_forward_pass():
    def forward(self, x):
        x = self.linear(x)
        y = x.tanh()
        return y * 3

    network = Calls(forward, linear=nn.Linear(4, 4))
    line = forward.__code__.co_firstlineno + 2
    with Damage("tanh_backward", scaled(1.01)), replay(network, quiet=True) as watched:
        network(torch.randn(2, 4)).sum().backward()
    assert first(watched.located).source == f"tests/test_model_capture_faults.py:{line}"


def test_a_module_that_is_called_twice_is_named_with_its_call():
    def forward(self, x):
        return self.shared(torch.tanh(self.shared(x)))

    network = Calls(forward, shared=nn.Sequential(nn.Linear(4, 4), nn.Softplus()))
    fault = Damage("softplus_backward", scaled(1.01), nth=0)  # that of the last forward call
    with fault, replay(network, quiet=True) as watched:
        network(torch.randn(2, 4)).sum().backward()
    row = first(watched.located)
    assert (row.module, row.call, row.phase) == ("shared.1", 1, BACKWARD)


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_module_is_named_behind_activation_checkpoints(reentrant):
    def forward(self, x):
        return self.last(checkpoint(self.middle, self.first(x), use_reentrant=reentrant))

    middle = nn.Sequential(nn.Linear(4, 4), nn.Softplus(), nn.Linear(4, 4))
    network = Calls(forward, first=nn.Linear(4, 4), middle=middle, last=nn.Linear(4, 4))
    with Damage("softplus_backward", scaled(1.01)), replay(network, quiet=True) as watched:
        network(torch.randn(2, 4)).sum().backward()
    assert first(watched.located).module == "middle.1"
    places = {row.module for row in watched.rows if "mm" in row.operator and row.phase == BACKWARD}
    assert {"first", "middle.0", "middle.2", "last"} <= places


def test_the_backward_pass_of_a_view_belongs_to_the_module_that_made_it():
    class Wide(nn.Module):
        def forward(self, x):
            return x.expand(5, 4)

    network = nn.Sequential(nn.Linear(4, 4), Wide(), nn.Linear(4, 4))
    with Damage("sum", scaled(1.01), nth=1), replay(network, quiet=True) as watched:
        network(torch.randn(1, 4)).square().mean().backward()
    sums = [row.module for row in watched.rows if bare(row) == "sum"]
    assert sums == ["2", "1", "0"]  # those of 0 and 2 are the gradients of their biases
    assert first(watched.located).module == "1"


def test_a_wrong_element_among_a_million_is_named():
    network = nn.Tanh()
    x = torch.randn(1000, 1000, requires_grad=True)

    def fault(result):
        result[567, 89] += 1e-4

    with Damage("tanh", fault), replay(network, quiet=True) as watched:
        network(x)
    assert "element [567, 89]" in first(watched.located).note


def test_a_gross_element_among_a_million_is_named_in_bfloat16():
    network = nn.Tanh()

    def fault(result):
        result[567, 89] = 2.0

    with Damage("tanh", fault), replay(network, quiet=True) as watched:
        network(torch.randn(1000, 1000).bfloat16())
    assert "element [567, 89]" in first(watched.located).note


@pytest.mark.parametrize("output", [3, 4])
def test_running_statistics_that_are_not_updated_are_named(output):
    before = [torch.zeros(8), torch.ones(8)]

    def fault(result):
        result.copy_(before[output - 3])

    row = first(located("convolutions_2d", "native_batch_norm", fault, 0, output=output))
    assert (bare(row), row.module, row.output) == ("native_batch_norm", "1", output)


def test_wrong_places_of_maxima_are_named():
    def fault(places):
        places[0, 0, 0, 0] += 1

    class Pool(nn.Module):
        def forward(self, x):
            return functional.max_pool2d(x, 2)

    with Damage("max_pool2d_with_indices", fault, output=1), replay(Pool(), quiet=True) as watched:
        Pool()(torch.randn(1, 1, 4, 4, requires_grad=True))
    row = first(watched.located)
    assert row.output == 1
    assert "element [0, 0, 0, 0]" in row.note


def test_another_choice_among_equal_elements_is_healthy():
    def fault(places):
        places.copy_(2)

    x = torch.tensor([[1.0, 5.0, 5.0], [7.0, 2.0, 7.0]])
    for damage in (Damage("argmax", fault), Damage("max", fault, output=1)):
        with damage, replay(nn.Identity(), quiet=True) as watched:
            x.argmax(1), x.max(1)
        assert watched.located.outcome == "pass"


def test_wrong_complex_numbers_are_named():
    with Damage("_fft_r2c", scaled(1.001)), replay(nn.Identity(), quiet=True) as watched:
        torch.fft.rfft(torch.randn(16))
    assert bare(first(watched.located)) == "_fft_r2c"


def test_the_operator_that_makes_the_first_nan_is_named_and_not_those_that_carry_it():
    result = located("transformer", "native_layer_norm", not_a_number, 1)
    assert bare(first(result)) == "native_layer_norm"
    assert len(result.culprits) == 1
    assert [note for note in result.notes if "not finite" in note] == [
        "aten::native_layer_norm in norm2 made the first values of the forward pass that are not "
        "finite"
    ]


def test_the_operator_that_makes_the_first_nan_of_the_backward_pass_is_named():
    result = located("transformer", "gelu_backward", not_a_number, 0)
    assert any(
        "aten::gelu_backward in mlp.1 made the first values of the backward" in n
        for n in result.notes
    )
    assert not any("forward pass" in note for note in result.notes)


def test_an_overflow_that_a_cpu_kernel_makes_too_is_no_fault():
    network = nn.Linear(64, 4, bias=False).half()
    nn.init.constant_(network.weight, 100.0)
    with replay(network, quiet=True) as watched:
        network(torch.full((2, 64), 100.0).half())
    result = watched.located
    assert result.outcome == "pass"
    assert any("not finite; a CPU kernel makes them too" in note for note in result.notes)


def test_zeros_where_a_gate_of_zero_hides_a_fault_are_said_to_hide_it():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.gamma = nn.Linear(8, 8), nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x + self.gamma * functional.softplus(self.inner(x))

    def step(unhide):
        torch.manual_seed(0)
        network = Gated()
        with (
            Damage("softplus_backward", scaled(1.01)),
            replay(network, quiet=True, unhide=unhide) as r,
        ):
            network(torch.randn(4, 8)).square().mean().backward()
        return r.located

    hidden = step(unhide=False)
    assert hidden.outcome == "pass"
    assert any(
        note.startswith(
            "these parameters are all zero and hide faults of what they multiply: gamma;"
        )
        for note in hidden.notes
    )
    assert any(row.state == "hidden" and bare(row) == "softplus_backward" for row in hidden.rows)
    shown = step(unhide=True)
    assert bare(first(shown)) == "softplus_backward"
    assert not any("hide" in note for note in shown.notes)


class Noise(TorchDispatchMode):
    """Moves what an operator returns at random, as a sum in an order that varies does."""

    def __init__(self, name, size):
        super().__init__()
        self.name, self.size = name, size
        self.draws = torch.Generator().manual_seed(3)

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        returned = op(*args, **(kwargs or {}))
        if bare_name(op) == self.name:
            returned *= 1 + self.size * torch.randn(returned.shape, generator=self.draws)
        return returned


def test_an_operator_that_varies_from_call_to_call_is_named_apart():
    network = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
    x = torch.randn(4, 8)
    with Noise("addmm", 1e-5), replay(network, quiet=True, repeat=3) as watched:
        network(x)
    result = watched.located
    assert result.outcome == "pass"
    assert any(
        "different results for the same inputs: aten::addmm (1 call)" in n for n in result.notes
    )
    (row,) = [row for row in result.rows if bare(row) == "addmm"]
    assert 1e-5 < row.limit < 1e-3
    with Noise("addmm", 1e-5), replay(network, quiet=True) as watched:
        network(x)
    assert bare(first(watched.located)) == "addmm"


def test_a_budget_is_kept_and_states_what_was_not_compared(monkeypatch):
    charged = Budget.spend  # a millisecond for each call, however fast the machine is
    monkeypatch.setattr(
        Budget, "spend", lambda self, op, given, _, ratio: charged(self, op, given, 0.001, ratio)
    )
    network, step = made("transformer")
    with replay(network, quiet=True) as whole:
        step()
    network, step = made("transformer")
    with replay(network, quiet=True, budget_s=0.005) as watched:
        step()
    assert watched._budget.spent_s == pytest.approx(0.005)
    assert any("the budget of seconds was spent" in line for line in watched.located.unmatched)
    assert watched.located.outcome == "inconclusive"
    assert 0 < len(watched.rows) < len(whole.rows)


def test_a_fault_is_found_within_a_budget():
    network, step = made("transformer")
    with Damage("gelu", scaled(1.01)), replay(network, quiet=True, budget_s=0.2) as watched:
        step()
    assert bare(first(watched.located)) == "gelu"


def test_operators_with_large_arguments_are_left_out(monkeypatch):
    monkeypatch.setattr("harness.capture.budget.LARGEST_BYTES", 1000)
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 400))
    x = torch.randn(2, 4)
    with replay(network, quiet=True) as watched:
        network(x)
    assert len(watched.rows) == 1
    (line,) = watched.located.unmatched
    assert line.startswith("their arguments take more than ")
    assert line.endswith("GiB: aten::addmm (1 call)")


@pytest.mark.parametrize("repeat", [0, -1])
def test_a_repeat_below_one_is_refused(repeat):
    with pytest.raises(ValueError, match="expected 1 or more calls"):
        Replay(nn.Linear(2, 2), repeat=repeat)


def test_a_compiled_network_is_refused():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].compile(backend="eager")
    with pytest.raises(ValueError, match=r"^its module 1 is compiled.*TORCH_COMPILE_DISABLE=1"):
        Replay(network)
    with pytest.raises(ValueError, match=r"^the network is compiled"):
        Replay(torch.compile(nn.Linear(2, 2), backend="eager"))


def test_hooks_are_removed_after_an_error_inside_the_block():
    network = nn.Linear(4, 4)
    with pytest.raises(RuntimeError), replay(network, quiet=True):
        network(torch.randn(2, 3))
    assert not network._forward_hooks
    assert not network._forward_pre_hooks
    hooks = sys.modules[torch.optim.Optimizer.__module__]._global_optimizer_pre_hooks
    assert hooks == {}


def test_a_replay_changes_no_bit_of_the_training():
    def losses(watched):
        network, step = made("encoder_layer")
        seen = []
        network.register_forward_hook(lambda m, i, o: seen.append(o.detach().clone()))
        if watched:
            with replay(network, quiet=True, repeat=2):
                step()
        else:
            step()
        step()
        return [*seen, torch.get_rng_state(), *(p.detach() for p in network.parameters())]

    for plain, watched in zip(losses(False), losses(True), strict=True):
        assert torch.equal(plain, watched)


BARE = """
import importlib.abc, runpy, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"harness", "safetensors", "model"}:
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
scripts, sys.argv = sys.argv[1:], ["repro.py"]
for script in scripts:
    runpy.run_path(script, run_name="__main__")
"""


BUNDLED = [
    ("transformer", "native_layer_norm"), ("convolutions_2d", "convolution_backward"),
    ("convolutions_channels_last", "convolution"), ("convolutions_2d", "relu_"),
    ("adamw_fused", "_fused_adamw_"), ("indexing", "index"), ("ordering", "argmax"),
    ("transformer_float_mask", "_scaled_dot_product_flash_attention_for_cpu"),
]  # fmt: skip


def test_a_bundle_repeats_the_operator_with_torch_alone(tmp_path):
    scripts = []
    for case, operator in BUNDLED:
        network, step = made(case)
        with (
            Damage(operator, zero_last),
            replay(network, quiet=True, report=tmp_path / operator) as watched,
        ):
            step()
        row = first(watched.located)
        folder = tmp_path / operator / row.bundle
        scripts.append(folder / "repro.py")
        assert len(scripts[-1].read_text().splitlines()) <= 20
        versions = json.loads((folder / "versions.json").read_text())
        assert (versions["module"], versions["torch"]) == (row.module, torch.__version__)
    done = subprocess.run(
        [sys.executable, "-c", BARE, *scripts],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == len(BUNDLED)
    for line in printed:
        words = line.split()
        assert float(words[2]) < 1e-4 < float(words[4]), line


def test_a_bundle_restores_the_strides_of_its_inputs(tmp_path):
    network = nn.Linear(8, 3)  # its weight goes transposed into the product
    x = torch.randn(4, 8)
    with Damage("addmm", zero_last), replay(network, quiet=True, report=tmp_path) as watched:
        network(x)
    script = (tmp_path / first(watched.located).bundle / "repro.py").read_text()
    assert "strides = [held" in script
    assert "{2: (1, 8)}" in script


def test_a_bundle_is_written_for_each_operator_up_to_the_number(tmp_path):
    block = Block()
    kinds = ("gelu", "addmm", "native_layer_norm")
    with (
        Damage(kinds[0], scaled(2)),
        Damage(kinds[1], scaled(2)),
        Damage(kinds[2], scaled(2)),
        replay(block, quiet=True, report=tmp_path, bundles=2),
    ):
        block(torch.randint(0, 50, (2, 16)))
    names = sorted(path.name for path in (tmp_path / "bundles").iterdir())
    assert len(names) == 2
    assert names[0].startswith("0-aten-")


def test_a_result_in_float32_of_a_16_bit_input_is_judged_in_float32():
    """A shortcut under autocast adds a branch in bfloat16 to a trunk in float32."""
    trunk, branch = torch.randn(64, 64), torch.randn(64, 64).bfloat16()
    network = Calls(lambda _, x: x + branch, own=nn.Linear(1, 1))
    with Damage("add", scaled(1.0001)), replay(network, quiet=True) as watched:
        network(trunk)
    assert bare(first(watched.located)) == "add"
