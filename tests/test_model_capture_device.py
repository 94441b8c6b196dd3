"""Replay, record and ablation on the simulated accelerator, whose backward pass has a thread."""

import numpy as np
import pytest
import simulated
import torch
from capturecases import Block, Calls
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from harness.capture.on_cpu import on_cpu
from harness.capture.record import Recorder
from harness.capture.replay import replay


@pytest.fixture(scope="module")
def device():
    with simulated.present() as simulation:
        yield simulation


@pytest.fixture(autouse=True)
def _healed(device):
    yield
    device.heal()


def step(block, run=1):
    tokens = torch.randint(0, 50, (2, 16), generator=torch.Generator().manual_seed(3)).to("sdaa")
    optimizer = torch.optim.AdamW(block.parameters(), lr=1e-3)
    for _ in range(run):
        scores = block(tokens[:, :-1])
        functional.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()


def block():
    torch.manual_seed(0)
    return Block().to("sdaa")


def test_a_healthy_step_on_a_device_has_no_wrong_operator():
    network = block()
    with replay(network, quiet=True) as watched:
        step(network)
    assert watched.located.outcome == "pass"
    assert watched.located.unmatched == ()
    assert len(watched.rows) > 200


@pytest.mark.parametrize(
    ("operator", "module", "phase"),
    [
        ("aten::gelu", "mlp.1", "forward"),
        ("aten::gelu_backward", "mlp.1", "backward"),
        ("aten::native_layer_norm", "norm1", "forward"),
        ("aten::embedding_dense_backward", "embedding", "backward"),
    ],
)
def test_a_wrong_kernel_of_a_device_is_named(device, operator, module, phase):
    device.plant(operator, "scale", 1.01)
    network = block()
    with replay(network, quiet=True) as watched:
        step(network)
    row = watched.located.culprits[0]
    assert (row.operator, row.phase) == (operator, phase)
    assert row.module.startswith(module[:4])
    assert row.source.startswith("tests/capturecases.py:")
    assert watched.located.sides[0]["device"] == "sdaa"


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_thread_of_the_backward_pass_names_modules_behind_checkpoints(device, reentrant):
    def forward(self, x):
        return self.last(checkpoint(self.middle, self.first(x), use_reentrant=reentrant))

    middle = nn.Sequential(nn.Linear(4, 4), nn.Softplus(), nn.Linear(4, 4))
    network = Calls(forward, first=nn.Linear(4, 4), middle=middle, last=nn.Linear(4, 4)).to("sdaa")
    x = torch.randn(2, 4).to("sdaa")
    with replay(network, quiet=True) as watched:
        network(x).sum().backward()
    products = [r for r in watched.rows if r.operator == "aten::mm" and r.phase == "backward"]
    modules = list(dict.fromkeys(row.module for row in products))
    assert modules == ["last", "middle.2", "middle.0", "first"]


def test_a_capture_of_a_device_has_the_records_of_the_cpus():
    captures = []
    for where in ("cpu", "sdaa"):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).to(where)
        with Recorder(network) as recorder:
            network(torch.ones(2, 3, 8, 8).cumsum(3).to(where)).square().mean().backward()
        captures.append(recorder.capture())
    ours, theirs = captures
    keys = [
        [(r.kind, r.name, r.module) for r in c.records if r.kind != "operator"] for c in captures
    ]
    assert keys[0] == keys[1]
    weights = [n for n, r in enumerate(ours.records) if r.kind == "weight"]
    np.testing.assert_array_equal(ours.sketches[weights], theirs.sketches[weights])
    assert theirs.facts["device"] == "sdaa"


def test_an_operator_on_the_cpu_turns_a_devices_training_healthy(device):
    def weights(what=None):
        network = block()
        if what is None:
            step(network, 2)
        else:
            with on_cpu(network, what) as watched:
                step(network, 2)
            assert watched.moved["gelu"] == 2
        return [p.detach().cpu() for p in network.parameters()]

    healthy = weights()
    device.plant("aten::gelu", "scale", 1.01)
    faulty, ablated, module = weights(), weights("aten::gelu"), weights("mlp.1")
    assert not all(torch.equal(a, b) for a, b in zip(healthy, faulty, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(healthy, ablated, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(healthy, module, strict=True))
