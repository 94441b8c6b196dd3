"""Attention under torch.func, second and forward-mode derivatives, and the meta device."""

import pytest
import torch
from mmengine.structures import PixelData
from test_model_ops import flat, make
from torch.autograd import forward_ad

from model import build_model
from model.ops import criss_cross as fast
from model.ops import criss_cross_attention, criss_cross_attention_reference
from model.ops.composite import composite_round, is_needed
from model.structures import SegDataSample


@pytest.fixture(autouse=True, params=["one by one", "side by side"], scope="module")
def layout(request):
    """How the images of a batch lie: as on a CPU, or as on a device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            fast, "one_by_one", lambda x: request.param == "one by one" or x.shape[0] == 1
        )
        yield


SHAPE = (2, 8, 3, 4)


def call(function, *, recurrence=2):
    """The function of eight tensors: x, weights and biases of query, key, value, and gamma."""

    def run(x, qw, qb, kw, kb, vw, vb, gamma):
        return function(x, (qw, qb), (kw, kb), (vw, vb), gamma, recurrence=recurrence)

    return run


def loss(function):
    return lambda *tensors: call(function)(*tensors).square().sum()


def all_gradients(function, tensors):
    return torch.func.grad(loss(function), argnums=tuple(range(8)))(*tensors)


def over_a_batch(function, tensors):
    return torch.func.vmap(lambda x: call(function)(x[None], *tensors[1:]))(tensors[0])


def per_sample_gradients(function, tensors):
    gradient = torch.func.grad(lambda w, x: loss(function)(x[None], w, *tensors[2:]))
    return torch.func.vmap(gradient, in_dims=(None, 0))(tensors[1], tensors[0])


def second_of_gamma(function, tensors):
    return torch.func.hessian(lambda gamma: loss(function)(*tensors[:-1], gamma))(tensors[-1])


def along_x(function, tensors):
    x, *rest = tensors
    direction = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x)
    return torch.func.jvp(lambda x: call(function)(x, *rest), (x,), (direction,))


def along_x_by_dual_numbers(function, tensors):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tensors[0], torch.ones_like(tensors[0]))
        return forward_ad.unpack_dual(call(function)(dual, *tensors[1:])).tangent


WAYS = (all_gradients, over_a_batch, per_sample_gradients, second_of_gamma, along_x,
        along_x_by_dual_numbers)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_transforms_equal_those_of_the_reference(way):
    tensors = flat(make(SHAPE))
    found = way(criss_cross_attention, tensors)
    torch.testing.assert_close(
        found, way(criss_cross_attention_reference, tensors), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("shape", [SHAPE, (1, 8, 1, 3), (1, 8, 3, 1)])
def test_second_derivatives_equal_those_of_the_reference(shape):
    def second(function):
        leaves = [tensor.clone().requires_grad_() for tensor in flat(make(shape))]
        first = torch.autograd.grad(loss(function)(*leaves), leaves, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in first), leaves)

    for found, want in zip(
        second(criss_cross_attention), second(criss_cross_attention_reference), strict=True
    ):
        torch.testing.assert_close(found, want, rtol=1e-8, atol=1e-8)


def test_second_derivatives_by_finite_differences():
    leaves = [tensor.requires_grad_() for tensor in flat(make((1, 3, 2, 2)))]
    assert torch.autograd.gradgradcheck(call(criss_cross_attention), leaves)


def test_a_second_derivative_with_frozen_weights():
    x, *rest = flat(make(SHAPE))
    x.requires_grad_()
    (first,) = torch.autograd.grad(loss(criss_cross_attention)(x, *rest), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert torch.isfinite(second).all()
    assert second.abs().max() > 0


def test_a_training_step_uses_the_fast_round_and_its_gradients(monkeypatch):
    def refuse(*_):
        raise AssertionError("the slow formulation was used")

    monkeypatch.setattr(fast, "composite_round", refuse)
    leaves = [tensor.requires_grad_() for tensor in flat(make(SHAPE))]
    loss(criss_cross_attention)(*leaves).backward()
    assert not is_needed(leaves[0])
    with pytest.raises(AssertionError, match="slow formulation"):
        torch.autograd.grad(loss(criss_cross_attention)(*leaves), leaves, create_graph=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_rounds_agree_in_value_and_dtype_under_autocast(dtype):
    tensors = flat(make(SHAPE, torch.float32))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = torch.func.vmap(lambda x: call(criss_cross_attention)(x[None], *tensors[1:]))(
            tensors[0]
        )[:, 0]
        want = call(criss_cross_attention)(*tensors)
    assert found.dtype == want.dtype == dtype
    tolerance = 1e-6 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(found, want, rtol=tolerance, atol=tolerance)


def test_a_composite_round_needs_no_more_than_one_row_or_column():
    weight, bias = torch.ones(3, 1), torch.zeros(3)
    assert composite_round(torch.ones(1, 1, 1, 1), weight, bias).item() == 2.0


def test_the_network_trains_and_predicts_on_the_meta_device():
    with torch.device("meta"):
        network = build_model("ccnet_r18-d8_demo")
    image = torch.empty(2, 3, 64, 96, device="meta")
    labels = torch.zeros(1, 64, 96, dtype=torch.long, device="meta")
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels)) for _ in range(2)]
    assert network(image).shape == (2, 19, 8, 12)
    losses = network(image, samples, mode="loss")
    (losses["decode.loss_ce"] + losses["aux.loss_ce"]).backward()
    assert network.decode_head.cca.query_conv.weight.grad.device.type == "meta"
    assert network.eval()(image, mode="predict")[0].pred_sem_seg.shape == (64, 96)
