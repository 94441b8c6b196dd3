"""Ablation: an operator or a module of a device's training runs on the CPU.

The device is the CPU under a mode that damages its operators; the CPU is the same without it.
"""

import pytest
import torch
from capturecases import made
from capturefaults import Damage, not_a_number, scaled, zero_last

from harness.capture.on_cpu import on_cpu
from harness.errors import HarnessError


@pytest.fixture(autouse=True)
def _device(monkeypatch):
    monkeypatch.setattr("harness.capture.on_cpu.CPU", torch.device("meta"))


def weights(case, *damage, what=None, moved=None):
    network, step = made(case)
    step_twice = [step, step]
    with Damage(*damage):
        if what is None:
            [run() for run in step_twice]
        else:
            with on_cpu(network, what) as watched:
                [run() for run in step_twice]
            if moved is not None:
                moved |= watched.moved
    return [*(p.detach() for p in network.parameters()), *network.buffers()]


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


CASES = [
    ("transformer", "gelu", scaled(1.01), "aten::gelu"),
    ("transformer", "gelu", scaled(1.01), "gelu"),
    ("transformer", "gelu_backward", scaled(1.01), "mlp.1"),
    ("transformer", "native_layer_norm_backward", zero_last, "native_layer_norm_backward"),
    ("transformer", "addmm", not_a_number, "addmm"),
    ("convolutions_2d", "relu_", zero_last, "relu_"),
    ("convolutions_2d", "native_batch_norm", scaled(1.01), "native_batch_norm"),
    ("convolutions_2d", "convolution_backward", scaled(1.01), "convolution_backward"),
    ("adamw_fused", "_fused_adamw_", scaled(1.01), "_fused_adamw_"),
    ("transformer", "add", scaled(1.01), "add"),
]


@pytest.mark.parametrize(("case", "operator", "fault", "what"), CASES)
def test_the_fault_of_an_operator_is_gone_if_it_runs_on_the_cpu(case, operator, fault, what):
    healthy = weights(case, "nothing", fault)
    faulty = weights(case, operator, fault)
    moved = {}
    ablated = weights(case, operator, fault, what=what, moved=moved)
    assert not same(healthy, faulty)
    assert same(healthy, ablated)
    assert moved[operator] >= 2


def test_the_fault_stays_if_another_operator_runs_on_the_cpu():
    faulty = weights("transformer", "gelu", scaled(1.01))
    assert same(faulty, weights("transformer", "gelu", scaled(1.01), what="mlp.0"))
    assert same(faulty, weights("transformer", "gelu", scaled(1.01), what="native_layer_norm"))


@pytest.mark.parametrize("what", ["mlp.9", "aten::gelo"])
def test_a_name_that_is_neither_a_module_nor_an_operator_is_an_error(what):
    with pytest.raises(HarnessError, match=f"^'{what}' is neither a module of the network nor an"):
        weights("transformer", "gelu", scaled(1.01), what=what)
