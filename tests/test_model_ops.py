"""Criss-cross attention against slow loops, in values and gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.ops import criss_cross, criss_cross_attention, criss_cross_attention_reference


@pytest.fixture(autouse=True, params=["one by one", "side by side"], scope="module")
def layout(request):
    """How the images of a batch lie: as on a CPU, or as on a device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            criss_cross, "one_by_one", lambda x: request.param == "one by one" or x.shape[0] == 1
        )
        yield


KEY_BIAS = 5  # its place among output and gradients
SHAPES = [(2, 16, 5, 7), (1, 8, 1, 9), (1, 8, 9, 1), (1, 8, 1, 1), (3, 8, 2, 3)]


def make(shape, dtype=torch.float64, *, seed=0):
    """Return x, query, key, value, gamma as the functions take them."""
    g = torch.Generator().manual_seed(seed)
    c = shape[1]
    d = max(1, c // 8)

    def draw(*size):
        return torch.randn(*size, generator=g, dtype=torch.float64).mul(0.5).to(dtype)

    x = draw(*shape)
    pairs = [(draw(n, c, 1, 1), draw(n)) for n in (d, d, c)]
    return x, *pairs, torch.tensor(0.7, dtype=dtype)


def loops(x, query, key, value, gamma):
    """One round, pixel by pixel: exp-weighted mean over the row and the column, centre once."""
    n, _, h, w = x.shape
    q, k, v = (
        torch.einsum("oc,nchw->nohw", wt.flatten(1), x) + b[None, :, None, None]
        for wt, b in (query, key, value)
    )
    out = torch.empty_like(x)
    for b in range(n):
        for i in range(h):
            for j in range(w):
                path = [(i, m) for m in range(w)] + [(m, j) for m in range(h) if m != i]
                assert len(path) == h + w - 1
                weights = [torch.exp(q[b, :, i, j] @ k[b, :, r, s]) for r, s in path]
                mean = sum(e * v[b, :, r, s] for e, (r, s) in zip(weights, path, strict=True))
                out[b, :, i, j] = gamma * mean / sum(weights) + x[b, :, i, j]
    return out


def flat(inputs):
    x, *pairs, gamma = inputs
    return [x, *(t for pair in pairs for t in pair), gamma]


def gradients(function, inputs, **options):
    """Return the output and all gradients of a weighted sum of it."""
    leaves = [t.clone().requires_grad_() for t in flat(inputs)]
    x, qw, qb, kw, kb, vw, vb, gamma = leaves
    y = function(x, (qw, qb), (kw, kb), (vw, vb), gamma, **options)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), leaves)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", [criss_cross_attention, criss_cross_attention_reference])
def test_values_and_gradients_equal_the_loops(function, shape):
    inputs = make(shape)
    expected = gradients(loops, inputs)
    for found, want in zip(gradients(function, inputs), expected, strict=True):
        torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("recurrence", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 2e-5), (torch.bfloat16, 0.06)],
)
def test_lean_equals_reference_in_every_dtype(dtype, tolerance, recurrence):
    inputs = make((2, 16, 6, 5), dtype)
    wide = [t.double() if torch.is_tensor(t) else (t[0].double(), t[1].double()) for t in inputs]
    expected = gradients(criss_cross_attention_reference, wide, recurrence=recurrence or 1)
    if recurrence == 0:
        assert criss_cross_attention(*inputs, recurrence=0) is inputs[0]
        return
    found = gradients(criss_cross_attention, inputs, recurrence=recurrence)
    for index, (value, want) in enumerate(zip(found, expected, strict=True)):
        assert value.dtype == dtype
        if index == KEY_BIAS and dtype == torch.bfloat16:
            continue  # exactly 0 but for rounding
        scale = max(1.0, want.abs().max().item())
        assert (value.double() - want).abs().max().item() <= tolerance * scale


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(
        st.integers(1, 3), st.sampled_from([1, 3, 8]), st.integers(1, 7), st.integers(1, 7)
    ),
    recurrence=st.integers(1, 3),
    channels_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_lean_equals_reference_for_any_shape(shape, recurrence, channels_last, seed):
    inputs = make(shape, seed=seed)
    expected = gradients(criss_cross_attention_reference, inputs, recurrence=recurrence)
    if channels_last:
        inputs = (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])
    found = gradients(criss_cross_attention, inputs, recurrence=recurrence)
    for value, want in zip(found, expected, strict=True):
        torch.testing.assert_close(value, want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 3, 2, 3), (1, 4, 1, 3), (1, 4, 3, 1)])
@pytest.mark.parametrize("recurrence", [1, 2])
def test_gradcheck(shape, recurrence):
    leaves = [t.requires_grad_() for t in flat(make(shape))]

    def run(x, *rest):
        (qw, qb, kw, kb, vw, vb), gamma = rest[:6], rest[6]
        pairs = (qw, qb), (kw, kb), (vw, vb)
        return criss_cross_attention(x, *pairs, gamma, recurrence=recurrence)

    assert torch.autograd.gradcheck(run, leaves)


def test_backward_may_run_twice_over_a_retained_graph():
    inputs = make((1, 8, 3, 4))
    x = inputs[0].requires_grad_()
    y = criss_cross_attention(x, *inputs[1:], recurrence=2).sum()
    first = torch.autograd.grad(y, x, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(y, x)[0])


def test_key_bias_has_no_influence():
    _, _, _, _, key_bias, *_ = gradients(criss_cross_attention, make((2, 16, 5, 7)), recurrence=2)[
        1:
    ]
    assert key_bias.abs().max() < 1e-12


def test_autocast_computes_in_bfloat16_and_returns_float32_gradients():
    inputs = make((1, 16, 6, 5), torch.float32)
    leaves = [t.requires_grad_() for t in flat(inputs)]
    x, qw, qb, kw, kb, vw, vb, gamma = leaves
    exact = gradients(criss_cross_attention_reference, inputs, recurrence=2)
    for inside in (False, True):
        with torch.autocast("cpu", torch.bfloat16):
            y = criss_cross_attention(x, (qw, qb), (kw, kb), (vw, vb), gamma, recurrence=2)
            weight = torch.linspace(-1, 1, y.numel()).view_as(y)
            if inside:
                grads = torch.autograd.grad((y * weight).sum(), leaves)
        if not inside:
            grads = torch.autograd.grad((y * weight).sum(), leaves)
        assert y.dtype == torch.bfloat16
        for index, (value, want) in enumerate(zip([y.float(), *grads], exact, strict=True)):
            assert value.dtype == torch.float32
            if index == KEY_BIAS:
                continue  # exactly 0 but for rounding
            scale = max(1.0, want.abs().max().item())
            assert (value - want).abs().max().item() <= 0.06 * scale


def test_one_pixel_sees_its_cross_after_one_round_and_everything_after_two():
    height, width = 13, 17
    inputs = make((1, 8, height, width))
    for recurrence, expected in ((1, height + width - 1), (2, height * width)):
        x = inputs[0].clone().requires_grad_()
        y = criss_cross_attention(x, *inputs[1:], recurrence=recurrence)
        (grad,) = torch.autograd.grad(y[0, :, 4, 11].sum(), x)
        assert (grad[0].abs().sum(0) > 0).sum().item() == expected


def test_uniform_attention_gives_the_centre_the_weight_of_one_member():
    height, width = 4, 6
    x, query, key, value, gamma = make((1, 8, height, width))
    query = (torch.zeros_like(query[0]), torch.zeros_like(query[1]))
    value = (torch.eye(8, dtype=x.dtype)[:, :, None, None], torch.zeros_like(value[1]))
    x = torch.zeros_like(x)
    x[0, 0, 2, 3] = 1.0
    y = criss_cross_attention(x, query, key, value, torch.ones_like(gamma))
    share = (y - x)[0, 0]
    assert math.isclose(share[2, 3].item(), 1 / (height + width - 1), rel_tol=1e-12)
    assert math.isclose(share[2, 0].item(), 1 / (height + width - 1), rel_tol=1e-12)
    assert share[0, 0].item() == 0.0


def test_large_logits_stay_finite():
    inputs = make((1, 8, 5, 4), torch.float32)
    query = (inputs[1][0] * 1e4, inputs[1][1])
    key = (inputs[2][0] * 1e4, inputs[2][1])
    found = gradients(criss_cross_attention, (inputs[0], query, key, *inputs[3:]), recurrence=2)
    assert all(torch.isfinite(t).all() for t in found)
