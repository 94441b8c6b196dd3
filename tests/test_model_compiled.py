"""`compile` and `find_unused_parameters` of a config: taken, honoured, and checked."""

import pytest
import torch
from mmengine.structures import PixelData
from tiny_run import command, losses, options, run, train

from model import build_model
from model.compiled import check_gradients, compile_step
from model.devices import TABLE
from model.errors import ConfigError
from model.options import configured, parser
from model.structures import SegDataSample
from model.train import Start, apply

DEMO = "ccnet_r18-d8_demo"
CPU = next(device for device in TABLE if device.kind == "cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model(DEMO)


def batch():
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 19, (2, 32, 64), generator=g)
    return torch.randn(2, 3, 32, 64, generator=g), labels


def test_a_compiled_run_has_the_losses_of_an_eager_one(scenes, tmp_path):
    """aot_eager traces both passes, as any backend's first part, and needs no C++ compiler."""
    train(tmp_path / "eager", options(scenes, steps=4), "--no-validate")
    compiled = [*options(scenes, steps=4), "compile.backend=aot_eager"]
    done = train(tmp_path / "compiled", compiled, "--no-validate")
    assert "the training step is compiled" in done.stdout + done.stderr
    want, found = losses(tmp_path / "eager"), losses(tmp_path / "compiled")
    assert found == pytest.approx(want, rel=1e-5)


def test_without_a_compiler_a_run_ends_in_one_line(scenes, tmp_path):
    argv = command(tmp_path / "w", [*options(scenes), "compile=True"], "--device", "cpu")
    done = run(argv, cwd=tmp_path, CXX="/absent/c++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "c"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: compile: InvalidCxxCompiler: No working C++ compiler found")
    assert line.endswith("or leave compile out")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("inductor", "compile is 'inductor'; expected True, False or a dict"),
        (1, "compile is 1; expected"),
        ({"backend": "nonsense"}, "torch.compile refuses it"),
        ({"mode": "nonsense"}, "torch.compile refuses it"),
        ({"nonsense": 1}, "torch.compile refuses it"),
    ],
)
def test_a_setting_that_torch_does_not_know_is_one_line(setting, message, network):
    with pytest.raises(ConfigError, match=message) as caught:
        compile_step(network, setting)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", [None, False])
def test_compiling_may_be_left_out(setting, network):
    compile_step(network, setting)
    assert "losses" not in vars(network)


def test_wrong_gradients_of_a_compiler_are_refused(network):
    """inductor of torch 2.13 gave zeros for this network on a CPU."""

    def constant(images, labels):
        return {name: value * 0 for name, value in network.losses(images, labels).items()}

    with pytest.raises(ConfigError, match="the compiled step has wrong gradients"):
        check_gradients(network, network.losses, constant, batch())


def test_the_check_of_gradients_leaves_no_trace(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(7)
    draw = torch.rand(3)
    torch.manual_seed(7)
    check_gradients(network, network.losses, network.losses, batch())
    assert torch.equal(torch.rand(3), draw)
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_step_of_samples_uses_the_function_that_is_compiled(network):
    images, labels = batch()
    samples = [SegDataSample(gt_sem_seg=PixelData(data=each[None])) for each in labels]
    network.losses = lambda images, labels: {"seen": labels}
    assert torch.equal(network.loss(images, samples)["seen"], labels)


@pytest.mark.parametrize("value", [True, False])
def test_find_unused_parameters_reaches_ddp(value, tmp_path):
    args = ["--config", DEMO, "--cfg-options", f"find_unused_parameters={value}"]
    cfg = configured(parser().parse_args(args), CPU)
    start = Start(work_dir=tmp_path, seed=0, resume_from=None)
    apply(cfg, start, CPU, launcher="pytorch")
    assert cfg.model_wrapper_cfg.find_unused_parameters is value


def test_two_ranks_with_a_parameter_that_no_loss_uses(scenes, tmp_path):
    more = [*options(scenes, steps=2), "find_unused_parameters=True"]
    argv = command(
        tmp_path / "w", more, "--device", "cpu", "--no-validate",
        "--launcher", "pytorch", "--nproc-per-node", "2",
    )  # fmt: skip
    done = run(argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(losses(tmp_path / "w")) == 4


def test_a_same_start_is_not_compiled():
    args = ["--config", DEMO, "--same-start", "--cfg-options", "compile=True"]
    with pytest.raises(ConfigError, match="compile with --same-start: the host draws"):
        configured(parser().parse_args(args), CPU)
    args[-1] = "compile=False"
    assert configured(parser().parse_args(args), CPU).same_start


def test_a_key_that_nobody_reads_is_still_refused():
    args = parser().parse_args(["--config", DEMO, "--cfg-options", "compiled=True"])
    with pytest.raises(ConfigError, match="the config has no 'compiled'"):
        configured(args, CPU)
