"""3-D criss-cross attention against a slow loop, in values and all derivatives."""

import pytest
import torch
from test_model_ops import flat, gradients
from torch.autograd import forward_ad

from benchmarks import attention_3d
from model.ops import (
    criss_cross_3d,
    criss_cross_attention,
    criss_cross_attention_3d,
    criss_cross_attention_3d_reference,
)
from model.ops.composite import composite_round_3d
from model.ops.rounds import fused

SHAPES = [(2, 8, 3, 4, 5), (1, 8, 2, 1, 6), (1, 8, 5, 6, 1), (1, 8, 5, 1, 1), (2, 8, 1, 3, 4)]
KEY_BIAS = 5  # its place among output and gradients


@pytest.fixture(autouse=True, params=["one by one", "side by side"])
def layout(request, monkeypatch):
    """How the clips of a batch lie: as on a CPU, or as on a device."""
    if request.param == "side by side":
        monkeypatch.setattr(criss_cross_3d, "one_by_one", lambda x: x.shape[0] == 1)


def make(shape, dtype=torch.float64, *, seed=0):
    """Return x [N, C, T, H, W], query, key, value, gamma as the functions take them."""
    draw = torch.Generator().manual_seed(seed)
    channels = shape[1]

    def normal(*size):
        return torch.randn(*size, generator=draw, dtype=torch.float64).mul(0.5).to(dtype)

    widths = (max(1, channels // 8), max(1, channels // 8), channels)
    pairs = [(normal(width, channels, 1, 1), normal(width)) for width in widths]
    return normal(*shape), *pairs, torch.tensor(0.7, dtype=dtype)


def path(position, size):
    """The positions (t, i, j) that share two of three coordinates with one, itself included."""
    found = {
        tuple(other if axis == moved else position[axis] for axis in range(3))
        for moved in range(3)
        for other in range(size[moved])
    }
    assert len(found) == sum(size) - 2
    return sorted(found)


def loops(x, query, key, value, gamma):
    """One round, position by position: exp-weighted mean over the path."""
    q, k, v = (
        torch.einsum("oc,ncthw->nothw", weight.flatten(1), x) + bias[:, None, None, None]
        for weight, bias in (query, key, value)
    )
    out = torch.empty_like(x)
    size = x.shape[2:]
    for n in range(x.shape[0]):
        for here in torch.cartesian_prod(*(torch.arange(length) for length in size)).tolist():
            seen = path(here, size)
            weights = [torch.exp(q[(n, ..., *here)] @ k[(n, ..., *there)]) for there in seen]
            terms = [w * v[(n, ..., *there)] for w, there in zip(weights, seen, strict=True)]
            out[(n, ..., *here)] = gamma * sum(terms) / sum(weights) + x[(n, ..., *here)]
    return out


def call(function, *, recurrence=2):
    """The function of eight tensors: x, weights and biases of query, key, value, and gamma."""

    def run(x, qw, qb, kw, kb, vw, vb, gamma):
        return function(x, (qw, qb), (kw, kb), (vw, vb), gamma, recurrence=recurrence)

    return run


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", [criss_cross_attention_3d, criss_cross_attention_3d_reference])
def test_values_and_gradients_equal_the_loops(function, shape):
    inputs = make(shape)
    expected = gradients(loops, inputs)
    for found, want in zip(gradients(function, inputs), expected, strict=True):
        torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_frame_gets_the_numbers_of_the_image_bit_for_bit(dtype):
    x, *rest = make((2, 16, 1, 5, 6), dtype)
    image = gradients(criss_cross_attention, (x[:, :, 0], *rest), recurrence=2)
    clip = gradients(criss_cross_attention_3d, (x, *rest), recurrence=2)
    for found, want in zip(clip, image, strict=True):
        assert torch.equal(found.view_as(want), want)


def test_the_rounds_of_clips_and_images_agree_on_one_frame():
    """The public function takes the round of images there; the round of clips must fit it."""
    x, *rest = make((2, 16, 1, 5, 6))
    weight, bias = fused(*rest)
    clips = criss_cross_3d._side_by_side(x)
    out = criss_cross_3d._apart(criss_cross_3d._CrissCross3D.apply(clips, weight, bias, 6), 6)
    image = criss_cross_attention(x[:, :, 0], *rest)
    torch.testing.assert_close(out[:, :, 0], image, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("recurrence", [0, 1, 3])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (torch.float64, 1e-12),
        (torch.float32, 2e-5),
        (torch.bfloat16, 0.15),
    ],  # the reference, in bfloat16: 0.05
)
def test_it_equals_the_reference_in_every_dtype(dtype, tolerance, recurrence):
    inputs = make((2, 16, 3, 5, 4), dtype)
    if recurrence == 0:
        assert criss_cross_attention_3d(*inputs, recurrence=0) is inputs[0]
        return
    wide = [t.double() if torch.is_tensor(t) else (t[0].double(), t[1].double()) for t in inputs]
    expected = gradients(criss_cross_attention_3d_reference, wide, recurrence=recurrence)
    found = gradients(criss_cross_attention_3d, inputs, recurrence=recurrence)
    for index, (value, want) in enumerate(zip(found, expected, strict=True)):
        assert value.dtype == dtype
        if index == KEY_BIAS:
            continue  # exactly 0 but for rounding
        scale = max(1.0, want.abs().max().item())
        assert (value.double() - want).abs().max().item() <= tolerance * scale


def test_the_result_lies_channels_last():
    y = criss_cross_attention_3d(*make((2, 8, 3, 4, 5)))
    assert y.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("shape", [(2, 3, 2, 2, 3), (1, 2, 3, 1, 2)])
def test_first_and_second_derivatives_by_finite_differences(shape):
    leaves = [tensor.requires_grad_() for tensor in flat(make(shape))]
    assert torch.autograd.gradcheck(call(criss_cross_attention_3d), leaves)
    assert torch.autograd.gradgradcheck(call(criss_cross_attention_3d, recurrence=1), leaves)


def test_only_the_projection_is_kept_for_the_backward_pass():
    kept = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    n, c, t, h, w = shape = (1, 8, 3, 16, 16)
    leaves = [tensor.requires_grad_() for tensor in flat(make(shape))]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call(criss_cross_attention_3d, recurrence=1)(*leaves)
    positions = n * t * h * w
    assert sorted(kept)[-2:] == [positions * c, positions * (c + 2)]
    assert sum(kept) < positions * (c + c + 2) + 1000


@pytest.mark.parametrize("recurrence", [1, 2, 3])
def test_a_position_sees_its_path_then_its_planes_then_the_whole_clip(recurrence):
    frames, height, width = 4, 5, 6
    inputs = make((1, 8, frames, height, width))
    x = inputs[0].clone().requires_grad_()
    y = criss_cross_attention_3d(*(x, *inputs[1:]), recurrence=recurrence)
    (grad,) = torch.autograd.grad(y[0, :, 1, 2, 4].sum(), x)
    seen = grad[0].abs().sum(0) > 0
    sharing = torch.zeros(frames, height, width, dtype=torch.int)
    for plane in (sharing[1], sharing[:, 2], sharing[:, :, 4]):
        plane.add_(1)
    assert torch.equal(seen, sharing >= 3 - recurrence)
    paths = frames + height + width - 2
    planes = frames * height + height * width + frames * width - paths - 1
    assert seen.sum() == (paths, planes, frames * height * width)[recurrence - 1]


def test_uniform_attention_counts_the_centre_once():
    x, query, key, value, _ = make((1, 8, 5, 4, 6))
    query = (torch.zeros_like(query[0]), torch.zeros_like(query[1]))
    value = (torch.eye(8, dtype=x.dtype)[:, :, None, None], torch.zeros_like(value[1]))
    x = torch.zeros_like(x)
    x[0, 0, 2, 1, 3] = 1.0
    y = criss_cross_attention_3d(x, query, key, value, torch.ones((), dtype=x.dtype))
    share = (y - x)[0, 0]
    for where in ((2, 1, 3), (0, 1, 3), (2, 3, 3), (2, 1, 0)):
        assert share[where].item() == pytest.approx(1 / (5 + 4 + 6 - 2), rel=1e-12)
    assert share[0, 0, 3] == share[2, 0, 0] == 0.0


def test_autocast_computes_in_bfloat16_and_returns_float32_gradients():
    inputs = make((1, 16, 3, 5, 4), torch.float32)
    exact = gradients(criss_cross_attention_3d_reference, inputs, recurrence=2)
    leaves = [tensor.clone().requires_grad_() for tensor in flat(inputs)]
    with torch.autocast("cpu", torch.bfloat16):
        y = call(criss_cross_attention_3d)(*leaves)
    weight = torch.linspace(-1, 1, y.numel()).view_as(y)
    grads = torch.autograd.grad((y * weight).sum(), leaves)
    assert y.dtype == torch.bfloat16
    for index, (value, want) in enumerate(zip([y.float(), *grads], exact, strict=True)):
        assert value.dtype == torch.float32
        scale = max(1.0, want.abs().max().item())
        assert index == KEY_BIAS or (value - want).abs().max().item() <= 0.06 * scale


def over_a_batch(function, tensors):
    return torch.func.vmap(lambda x: call(function)(x[None], *tensors[1:]))(tensors[0])


def per_sample_gradients(function, tensors):
    x, weight, *rest = tensors
    gradient = torch.func.grad(lambda w, x: call(function)(x[None], w, *rest).square().sum())
    return torch.func.vmap(gradient, in_dims=(None, 0))(weight, x)


def along_x_by_dual_numbers(function, tensors):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tensors[0], torch.ones_like(tensors[0]))
        return forward_ad.unpack_dual(call(function)(dual, *tensors[1:])).tangent


@pytest.mark.parametrize("way", [over_a_batch, per_sample_gradients, along_x_by_dual_numbers])
def test_transforms_equal_those_of_the_reference(way):
    tensors = flat(make((2, 8, 2, 3, 4)))
    found = way(criss_cross_attention_3d, tensors)
    want = way(criss_cross_attention_3d_reference, tensors)
    torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-10)


def test_second_derivatives_with_frozen_weights_equal_those_of_the_reference():
    x, *rest = flat(make((2, 8, 2, 3, 4)))

    def second(function):
        leaf = x.clone().requires_grad_()
        loss = call(function)(leaf, *rest).square().sum()
        (first,) = torch.autograd.grad(loss, leaf, create_graph=True)
        return torch.autograd.grad(first.square().sum(), leaf)[0]

    torch.testing.assert_close(
        second(criss_cross_attention_3d), second(criss_cross_attention_3d_reference)
    )


def test_shapes_come_out_on_the_meta_device():
    leaves = [tensor.to("meta").requires_grad_() for tensor in flat(make((2, 8, 3, 4, 5)))]
    y = call(criss_cross_attention_3d)(*leaves)
    assert (y.device.type, y.shape) == ("meta", (2, 8, 3, 4, 5))


def test_a_training_step_uses_the_fast_round(monkeypatch):
    def refuse(*_):
        raise AssertionError("the slow formulation was used")

    monkeypatch.setattr(criss_cross_3d, "composite_round_3d", refuse)
    leaves = [tensor.requires_grad_() for tensor in flat(make((2, 8, 2, 3, 4)))]
    call(criss_cross_attention_3d)(*leaves).sum().backward()
    with pytest.raises(AssertionError, match="slow formulation"):
        torch.autograd.grad(
            call(criss_cross_attention_3d)(*leaves).square().sum(), leaves, create_graph=True
        )


def test_the_composite_round_equals_the_reference():
    x, *rest = make((2, 8, 3, 2, 4))
    found = composite_round_3d(x.permute(0, 2, 3, 4, 1), *fused(*rest)).permute(0, 4, 1, 2, 3)
    want = criss_cross_attention_3d_reference(x, *rest)
    torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)


def test_large_logits_stay_finite():
    x, query, key, *rest = make((1, 8, 3, 4, 2), torch.float32)
    query, key = (query[0] * 1e4, query[1]), (key[0] * 1e4, key[1])
    found = gradients(criss_cross_attention_3d, (x, query, key, *rest), recurrence=2)
    assert all(torch.isfinite(tensor).all() for tensor in found)


@pytest.mark.parametrize("name", list(attention_3d.BLOCKS))
def test_counted_flops_equal_the_formula(name):
    """2 P C (2d + C) for the projections of P positions, 2 P S (d + C) for S that are seen."""
    shape = (1, 16, 3, 5, 4)
    positions, channels, d = 3 * 5 * 4, 16, 2
    seen = positions if name == "non-local" else 3 + 5 + 4
    once = 2 * positions * (channels * (2 * d + channels) + seen * (d + channels))
    rounds = attention_3d.BLOCKS[name].recurrence
    assert attention_3d.gflop(name, shape) * 1e9 == pytest.approx(rounds * once, rel=1e-12)


def test_the_non_local_block_sees_everything_with_one_softmax():
    x, query, key, value, gamma = make((1, 8, 2, 3, 4))
    q, k, v = (
        torch.einsum("oc,ncthw->nothw", w.flatten(1), x).flatten(2)[0] + b[:, None]
        for w, b in (query, key, value)
    )
    out = torch.stack([(torch.exp(q[:, i] @ k) / torch.exp(q[:, i] @ k).sum() * v).sum(1)
                       for i in range(24)], dim=1)  # fmt: skip
    want = gamma * out.view(1, 8, 2, 3, 4) + x
    torch.testing.assert_close(attention_3d.non_local_3d(x, query, key, value, gamma), want)
