"""A replay of healthy operators finds none wrong, whatever the network, precision and optimizer."""

import warnings

import pytest
import torch
from capturecases import CASES, OPTIMIZERS, Block, made

from harness.capture.replay import replay

KERNELS_OWN = {"aten::_scaled_dot_product_flash_attention_for_cpu"}
"""They return a result that no other kernel has."""
HALF = [
    "transformer", "transformer_causal", "convolutions_2d", "other_norms", "losses",
    "accumulated", "indexing", "batch_norm_eval", "cancelling_gradients",
]  # fmt: skip


def located(name, precision=None, steps=2):
    network, step = made(name)
    with replay(network, quiet=True) as watched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            with torch.autocast("cpu", precision or torch.bfloat16, enabled=bool(precision)):
                step()
    return watched.located


def check(result):
    assert [str(row) for row in result.culprits] == []
    repeated = not any("cannot repeat" in line for line in result.unmatched)  # oneDNN's LSTM
    assert result.outcome == ("pass" if repeated else "inconclusive")
    unjudged = {row.operator for row in result.rows if row.state == "unjudged"}
    assert unjudged <= KERNELS_OWN
    reasons = [
        line for line in result.unmatched if "random" not in line and "mkldnn_rnn" not in line
    ]
    assert reasons == []


@pytest.mark.parametrize("name", [*CASES, *OPTIMIZERS])
def test_no_operator_of_a_healthy_step_is_wrong_in_float32(name):
    check(located(name))


@pytest.mark.parametrize("name", CASES)
def test_no_operator_of_a_healthy_step_is_wrong_in_bfloat16(name):
    check(located(name, torch.bfloat16))


@pytest.mark.parametrize("name", HALF)
def test_no_operator_of_a_healthy_step_is_wrong_in_float16(name):
    check(located(name, torch.float16))


def test_no_operator_of_a_step_with_a_scaled_loss_is_wrong():
    torch.manual_seed(0)
    block = Block()
    optimizer = torch.optim.SGD(block.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    tokens = torch.randint(0, 50, (2, 16))
    with replay(block, quiet=True) as watched:
        with torch.autocast("cpu", torch.float16):
            loss = block(tokens).float().log_softmax(-1).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(block.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    check(watched.located)
    assert {row.phase for row in watched.rows} == {"forward", "backward", "optimizer"}


def test_no_operator_of_weights_in_bfloat16_is_wrong():
    torch.manual_seed(0)
    block = Block().bfloat16()
    with replay(block, quiet=True) as watched:
        block(torch.randint(0, 50, (2, 16))).float().square().mean().backward()
    check(watched.located)


def test_most_results_of_a_step_are_judged():
    result = located("transformer", steps=1)
    assert len(result.rows) > 200
    assert sum(row.state in {"healthy", "hidden"} for row in result.rows) >= len(result.rows) - 1
