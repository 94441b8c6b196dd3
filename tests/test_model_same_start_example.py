"""The helper for other people's scripts: `examples/same_start.py` in a plain training loop."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from examples import same_start
from harness import read_run
from harness.cli.main import app
from model.same_start import fingerprint, norms

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PERTURBED = 4


def train(folder, log, *, draw=0, threads=1, change=("", "")):
    """Runs the plain loop of the examples with a changed line, in a folder, and reads its log."""
    text = (EXAMPLES / "same_start_loop.py").read_text()
    assert change[0] in text
    script = folder / "train.py"
    script.write_text(text.replace(*change))
    torch.set_num_threads(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(EXAMPLES)
        patch.setattr(sys, "argv", [str(script), "cpu", log, *([str(draw)] if draw else [])])
        runpy.run_path(str(script))
    return read_run(folder / log)


@pytest.fixture(scope="module", autouse=True)
def settings():
    """Puts back what the examples set for their process."""
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The logs of a run and four perturbed ones."""
    where = tmp_path_factory.mktemp("example")
    for draw in range(PERTURBED + 1):
        train(where, f"gpu_{draw}.log", draw=draw)
    return where


def judged(folder, log, *options):
    """Status and output of `harness compare` with the run and its perturbed runs."""
    logs = ",".join(f"gpu_{draw}.log" for draw in range(PERTURBED + 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = CliRunner().invoke(app, ["compare", logs, log, "--quiet", *options])
    return found.exit_code, " ".join(found.output.split())


def test_a_run_of_the_same_start_with_other_rounding_passes(folder):
    other = ("pixels @ pixels.transpose(1, 2)", "torch.einsum('nid,njd->nij', pixels, pixels)")
    run = train(folder, "port.log", threads=2, change=other)
    assert run.facts["same_start"] is True
    status, words = judged(folder, "port.log")
    assert (status, words[:4]) == (0, "pass")
    assert "same-start: loss and 4 further series stay within" in words
    assert f"envelope of {PERTURBED} perturbed runs" in words


@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        (("= torch.softmax(", "= 1.001 * torch.softmax("), 1, "look at the forward pass"),
        (("lr=0.05,", "lr=0.0505,"), 1, "look at the optimizer"),
        (("momentum=0.9", "momentum=0.8"), 1, "at step 1"),
        (("nn.BatchNorm2d(16)", "nn.BatchNorm2d(16, eps=0.1)"), 1, "at step 0"),
        (("4, labels", "4, labels.roll(1)"), 4, "the first labels differ"),
        (("return noise +", "return 1.01 * noise +"), 4, "the first images"),
        (("out = Log", "model.last.weight.data *= 1.01\nout = Log"), 4, "the initial weights"),
        (("default_rng([7, step])", "default_rng([7, step + (step > 1)])"), 1, "data of step 2"),
    ],
)  # fmt: skip
def test_a_fault_fails_and_another_start_is_incomparable(folder, change, status, why):
    train(folder, "bad.log", change=change)
    found, words = judged(folder, "bad.log")
    assert (found, why in words) == (status, True), words


def test_a_log_of_four_digits_passes_nothing_and_says_so(folder):
    train(folder, "slow.log", change=("lr=0.05,", "lr=0.050001,"))
    assert judged(folder, "slow.log")[0] == 0
    for log in (*(f"gpu_{draw}.log" for draw in range(PERTURBED + 1)), "slow.log"):
        text = (folder / log).read_text()
        lines = re.sub(r"(loss|norm): ([\d.e-]+)", lambda m: f"{m[1]}: {float(m[2]):.4g}", text)
        (folder / f"short_{log}").write_text(re.sub(r", \w+_geometric: [\d.e-]+", "", lines))
    logs = ",".join(str(folder / f"short_gpu_{draw}.log") for draw in range(PERTURBED + 1))
    found = CliRunner().invoke(app, ["compare", logs, str(folder / "short_slow.log"), "--quiet"])
    assert found.exit_code == 3
    assert "the logs print loss so coarsely" in " ".join(found.output.split())


def test_the_fingerprint_is_that_of_the_models_logs():
    draw = np.random.default_rng(3)
    arrays = {"a.weight": draw.normal(size=(7, 5)), "b": np.zeros(3), "c": draw.normal(size=64)}
    expected = fingerprint.fingerprint(fingerprint.terms(n, x) for n, x in arrays.items())
    found = same_start.fingerprint({name: torch.from_numpy(x) for name, x in arrays.items()})
    assert [float(x) for x in found.split()] == pytest.approx([float(x) for x in expected.split()])


def test_the_norms_are_those_of_the_models_logs():
    draw = torch.Generator().manual_seed(4)
    tensors = [scale * torch.randn(n, generator=draw) for scale, n in ((1, 9), (1e-7, 4), (30, 64))]
    expected = norms.norms(tensors)
    found = same_start.norms("grad", tensors)
    assert found == pytest.approx(
        {"grad_norm": expected.whole, "grad_norm_geometric": expected.geometric}
    )
    assert set(same_start.norms("grad", [torch.zeros(3)]).values()) == {0.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_perturbation_moves_by_one_unit_in_the_last_place(dtype):
    x = torch.tensor([0.0, *np.random.default_rng(5).normal(size=3000)]).to(dtype)
    apart = same_start.moved(x, 1, 2).double() - x.double()
    unit = torch.finfo(dtype).eps * x.double().abs()
    assert (apart.abs() <= unit).all()
    assert apart[0] == 0
    shares = [float((apart.sign() == sign).double().mean()) for sign in (-1, 0, 1)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.04)
    assert same_start.moved(x, 0, 2) is x
    numbers = torch.arange(4)
    assert same_start.moved(numbers, 1, 2) is numbers


@pytest.mark.parametrize("size", [2.0**-11, 2.0**-8])
def test_a_perturbation_may_have_the_size_of_a_shorter_format(monkeypatch, size):
    monkeypatch.setattr(same_start, "ROUNDING", size)
    apart = same_start.moved(torch.ones(3000), 1, 2) - 1
    assert sorted(set(apart.tolist())) == pytest.approx([-size, 0, size])


def test_a_draw_is_another_one_for_another_key():
    x = torch.full((100,), 1.1)
    assert not torch.equal(same_start.moved(x, 1, 2), same_start.moved(x, 2, 2))
    assert not torch.equal(same_start.moved(x, 1, 2), same_start.moved(x, 1, 3))
    assert torch.equal(same_start.moved(x, 1, 2), same_start.moved(x, 1, 2))


def test_the_first_run_saves_the_weights_and_a_perturbed_run_moves_them(tmp_path):
    first, second, moved = (torch.nn.Linear(30, 20) for _ in range(3))
    same_start.begin(first, tmp_path / "start.pt")
    same_start.begin(second, tmp_path / "start.pt")
    same_start.begin(moved, tmp_path / "start.pt", draw=1)
    assert torch.equal(first.weight, second.weight)
    apart = (moved.weight / first.weight - 1).detach().abs()
    assert 0 < float(apart.max()) < 2.0**-22
