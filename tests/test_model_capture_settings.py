"""The settings in a capture: what operators were called with, and faults that they show."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.capture.record import Recorder
from harness.locate.compare import compare_captures
from harness.locate.format import from_bytes, to_bytes


class Net(nn.Module):
    """A convolution, a batch norm, an activation and a resize, in the format of autocast."""

    def __init__(self, activation=functional.relu, **options):
        super().__init__()
        torch.manual_seed(0)
        dilation = options.get("dilation", 1)
        self.conv = nn.Conv2d(3, 8, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm2d(8, eps=options.get("eps", 1e-5))
        self.head = nn.Conv2d(8, 4, 1)
        self.activation = activation
        self.corners = options.get("corners", False)

    def forward(self, x):
        x = self.activation(self.norm(self.conv(x)))
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.corners)
        return self.head(x)


def recorded(net, **options):
    images = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(3))
    with Recorder(net, **options) as recorder, torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net(images).float().square().mean()
        loss.backward()
    return from_bytes(to_bytes(recorder.capture()), source="step.capture")


def located(candidate):
    twins = [recorded(Net(), twin=k) for k in (1, 2)]
    return compare_captures(recorded(Net()), recorded(candidate), baseline_twins=twins)


def settings(capture, name):
    return [json.loads(r.settings) for r in capture.records if r.name == f"aten::{name}"]


def test_settings_are_those_of_the_call_and_the_defaults_of_the_operator():
    capture = recorded(Net(eps=1e-4, dilation=2))
    (first, *_) = settings(capture, "convolution")
    assert (first["dilation"], first["padding"], first["groups"]) == ([2, 2], [2, 2], 1)
    assert settings(capture, "native_batch_norm")[0] == {
        "training": True, "momentum": 0.1, "eps": 1e-4,
    }  # fmt: skip
    assert settings(capture, "upsample_bilinear2d")[0]["align_corners"] is False
    assert not any("device" in r.settings or "dtype" in r.settings for r in capture.records)
    assert {r.settings for r in capture.records if r.kind != "operator"} == {""}


@pytest.mark.parametrize(
    ("candidate", "place", "said"),
    [
        (lambda: Net(eps=1e-3), ("norm", "aten::native_batch_norm"), "eps is 0.001"),
        (lambda: Net(corners=True), ("", "aten::upsample_bilinear2d"), "align_corners is true"),
        (
            lambda: Net(lambda x: functional.leaky_relu(x, 0.001)),
            ("", "aten::leaky_relu"), "the baseline alone ran aten::relu",
        ),
        (lambda: Net(lambda x: functional.relu(x) * 1.001), ("", "aten::mul"), "no such operator"),
    ],
)  # fmt: skip
def test_a_changed_program_is_named_though_bfloat16_hides_it(candidate, place, said):
    found = located(candidate())
    assert found.outcome in {"fail", "inconclusive"}
    first = found.culprits[0]
    assert (first.module, first.operator) == place
    assert said in first.note


def test_the_same_program_has_no_difference():
    found = located(Net())
    assert (found.outcome, found.culprits) == ("pass", ())


class Branches(nn.Module):
    """One tensor given to three layers, in an order."""

    def __init__(self, order):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(16, 16)
        self.branches = nn.ModuleDict({name: nn.Linear(16, 16) for name in "qkv"})
        self.order = order

    def forward(self, x):
        x = self.first(x)
        found = {name: self.branches[name](x) for name in self.order}
        return found["q"] * found["k"] + found["v"]


def step_of(order, **options):
    net = Branches(order)
    x = torch.randn(32, 16, generator=torch.Generator().manual_seed(5))
    with Recorder(net, **options) as recorder:
        net(x).square().mean().backward()
    return recorder.capture()


@pytest.mark.parametrize("order", ["kvq", "vqk", "kqv"])
def test_gradients_that_are_added_in_another_order_are_no_difference(order):
    twins = [step_of("qkv", twin=k) for k in (1, 2)]
    found = compare_captures(step_of("qkv"), step_of(order), baseline_twins=twins)
    assert (found.outcome, found.culprits) == ("pass", ())


def test_an_operator_that_replaced_another_is_said_to_be_another():
    twins = [recorded(Net(), twin=k) for k in (1, 2)]
    found = compare_captures(recorded(Net()), recorded(Net(functional.gelu)), baseline_twins=twins)
    assert found.outcome == "fail"
    assert found.headline.startswith("the sides run other operators, and differ behind them")
    assert "aten::gelu" in found.headline
    assert "the baseline ran aten::relu" in found.headline
