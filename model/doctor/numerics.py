"""The device against the CPU: layers, the optimizer and a step of the whole network.

The device computes in float32 and the CPU the same in float64. The error of a tensor is the
greatest difference over the greatest value. Letters: N batch, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.devices import find_device
from model.doctor.check import Asked, Result, ok, problem
from model.doctor.hardware import chosen
from model.doctor.network import prepared
from model.ops import criss_cross_attention
from model.same_start.kernels import exact_kernels

LIMIT = 1e-4
"""Of the error. Healthy float32 stays below 1e-5; TF32 and bfloat16 give 1e-3."""
STEP_LIMIT = 1e-2
"""Of the error of gradients behind 30 layers with ReLU: a sign that rounding turns is no fault."""

Named = dict[str, Tensor]
Inputs = Sequence[Tensor]


def convolution(asked: Asked) -> Result:
    """Compares a strided, a dilated and a 1x1 convolution, forward and backward."""

    def work(x: Tensor, strided: Tensor, dilated: Tensor, single: Tensor) -> list[Tensor]:
        y = F.conv2d(x, strided, stride=2, padding=1)
        return [F.conv2d(F.conv2d(y, dilated, padding=2, dilation=2), single)]

    shapes = ((2, 16, 32, 48), (32, 16, 3, 3), (32, 32, 3, 3), (8, 32, 1, 1))
    return _judged(asked, work, shapes)


def batch_norm(asked: Asked) -> Result:
    """Compares batch normalisation in training, its running statistics and its gradients."""

    def work(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
        mean, variance = torch.zeros_like(bias), torch.ones_like(bias)
        y = F.batch_norm(x + 1, mean, variance, weight, bias, training=True, momentum=0.1)
        return [y, mean.detach(), variance.detach()]

    return _judged(asked, work, ((2, 16, 24, 32), (16,), (16,)))


def attention(asked: Asked) -> Result:
    """Compares two rounds of criss-cross attention, forward and backward."""

    def work(x: Tensor, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        q, k, v = ((w / 8, w.new_zeros(w.shape[0])) for w in (query, key, value))
        return [criss_cross_attention(x, q, k, v, x.new_tensor(0.5), recurrence=2)]

    return _judged(asked, work, ((2, 32, 9, 12), (4, 32, 1, 1), (4, 32, 1, 1), (32, 32, 1, 1)))


def optimizer(asked: Asked) -> Result:
    """Compares three steps of SGD with momentum and weight decay."""

    def work(weight: Tensor, gradient: Tensor) -> list[Tensor]:
        kept = weight.detach().clone().requires_grad_()
        sgd = torch.optim.SGD([kept], lr=0.1, momentum=0.9, weight_decay=0.01)
        for _ in range(3):
            kept.grad = gradient.detach().clone()
            sgd.step()
        return [kept.detach()]

    return _judged(asked, work, ((64, 64), (64, 64)))


def _judged(
    asked: Asked, work: Callable[..., list[Tensor]], shapes: Sequence[tuple[int, ...]]
) -> Result:
    """Returns whether outputs and gradients of `work` agree on inputs of these shapes."""
    device = chosen(asked)
    draw = torch.Generator().manual_seed(2)
    inputs = [torch.randn(shape, generator=draw) for shape in shapes]
    with exact_kernels({}):
        on_device = _outputs_and_gradients(work, [x.to(device.torch_type) for x in inputs])
    exact = _outputs_and_gradients(work, [x.double() for x in inputs])
    error = max(_error(a, b) for a, b in zip(on_device, exact, strict=True))
    return _told(error, LIMIT, device.kind)


def _outputs_and_gradients(work: Callable[..., list[Tensor]], inputs: Inputs) -> list[Tensor]:
    """Returns what `work` returns, and the gradients of its inputs, in float64 on the CPU."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    outputs = work(*leaves)
    differentiable = [y for y in outputs if y.requires_grad]
    if differentiable:
        torch.autograd.backward(differentiable, [_slope(y) for y in differentiable])
    grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
    return [tensor.detach().cpu().double() for tensor in [*outputs, *grads]]


def _slope(y: Tensor) -> Tensor:
    """Returns gradients of the shape of `y`; not proportional to it, nor the same everywhere."""
    return torch.linspace(-1, 2, y.numel()).cos().view(y.shape).to(y.device, y.dtype)


def _error(found: Tensor, exact: Tensor) -> float:
    """Returns the greatest difference over the greatest value; infinity for NaN."""
    difference = float((found - exact).abs().max() / exact.abs().max().clamp(min=1e-30))
    return difference if difference >= 0 else float("inf")


def _told(error: float, limit: float, kind: str) -> Result:
    if error <= limit:
        return ok(
            f"within {error:.1e} of the CPU in float64; at most {limit:g} is expected", error=error
        )
    return problem(
        f"{kind} differs from the CPU by {error:.1e} of the greatest value; limit {limit:g}",
        "find the operator: harness locate replay -- -m model.train ...",
        error=error,
    )


def step(asked: Asked) -> Result:
    """Compares the loss and the gradients of a narrow CCNet after one forward and backward pass."""
    device = chosen(asked)
    ours = prepared(device)
    with exact_kernels({}):
        on_device = [tensor.double() for tensor in (ours.backward().cpu(), *ours.gradients())]
    reference = prepared(find_device("cpu"), dtype=torch.float64)
    exact = [reference.backward(), *reference.gradients()]
    loss = _error(on_device[0], exact[0])
    if not loss <= LIMIT:
        return _told(loss, LIMIT, f"the loss on {device.kind}")
    norms = [_norm_error(a, b) for a, b in zip(on_device[1:], exact[1:], strict=True)]
    return _told(max(norms), STEP_LIMIT, f"a gradient on {device.kind}")


def _norm_error(found: Tensor, exact: Tensor) -> float:
    """Returns the norm of the difference over the norm of the exact tensor; infinity for NaN."""
    difference = float((found - exact).norm() / exact.norm().clamp(min=1e-6))
    return difference if difference >= 0 else float("inf")
