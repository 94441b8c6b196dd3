"""Faults of precision: fewer digits somewhere than the log's `precision` says.

Letters: N batch, C channel, H height, W width, O output channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault
from model.faults.rounding import MANTISSA, flushed, rounded, with_value
from model.losses import CrossEntropyLoss

CHUNK = 16  # input channels that are summed before a partial sum is stored

Conv = Callable[[nn.Conv2d, Tensor, Tensor, Tensor | None], Tensor]


def _bits(default: int) -> Severity:
    return Severity(default=default, meaning="bits of mantissa", low=1, high=22, whole=True)


def _change_convolutions(context: InjectionContext, compute: Conv) -> None:
    """Lets `compute` (module, input, weight, bias) stand for every convolution of the network."""
    for conv in context.modules(nn.Conv2d):
        context.patch(conv, "_conv_forward", _Bound(conv, compute))


class _Bound:
    """A convolution's `_conv_forward`."""

    def __init__(self, conv: nn.Conv2d, compute: Conv) -> None:
        self.conv = conv
        self.compute = compute

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.compute(self.conv, x, weight, bias)


_conv: Conv = nn.Conv2d._conv_forward


@fault(
    "operator",
    origin="TF32 is on by default in the convolution library, or the units know no float32",
    severity=_bits(MANTISSA["tf32"]),
)
def conv_inputs_rounded(context: InjectionContext, severity: float) -> None:
    """Convolutions of rounded inputs and weights, forward and in their gradients."""
    bits = int(severity)

    def compute(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight = (with_value(t, rounded(t, bits)) for t in (x, weight))
        return _conv(conv, x, weight, bias)

    _change_convolutions(context, compute)


@fault(
    "operator",
    origin="results are stored in a shorter type before they go on",
    severity=_bits(MANTISSA["tf32"]),
)
def conv_outputs_rounded(context: InjectionContext, severity: float) -> None:
    """Convolutions whose results are rounded."""

    def compute(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out = _conv(conv, x, weight, bias)
        return with_value(out, rounded(out, int(severity)))

    _change_convolutions(context, compute)


@fault(
    "operator",
    origin="the kernel of the weight's gradient keeps its inputs in a shorter type",
    severity=_bits(MANTISSA["bfloat16"]),
)
def conv_weight_gradient_rounded(context: InjectionContext, severity: float) -> None:
    """Gradients of convolutions' weights from rounded inputs; the forward pass is exact."""

    def compute(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out = _conv(conv, x, weight.detach(), bias)
        if not torch.is_grad_enabled():
            return out
        wrong = _conv(conv, rounded(x, int(severity)), weight, None)
        return out + (wrong - wrong.detach())  # adds zeros; its gradient is that of the weight

    _change_convolutions(context, compute)


@fault(
    "operator",
    origin="the matrix unit adds up in the type of its inputs",
    severity=_bits(MANTISSA["bfloat16"]),
)
def conv_accumulation_rounded(context: InjectionContext, severity: float) -> None:
    """Convolutions that round their sum after every 16 input channels."""
    bits = int(severity)

    def compute(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        total: Tensor | None = None
        for x_part, weight_part in zip(x.split(CHUNK, 1), weight.split(CHUNK, 1), strict=True):
            part = _conv(conv, x_part, weight_part, None)
            total = part if total is None else total + part
            total = with_value(total, rounded(total, bits))
        assert total is not None
        return total if bias is None else total + bias[:, None, None]

    _change_convolutions(context, compute)


@fault(
    "operator",
    origin="subnormal numbers are flushed; the default is float16's smallest normal one",
    severity=Severity(default=6.1e-5, meaning="threshold", low=0.0, high=1.0),
)
def flush_to_zero(context: InjectionContext, severity: float) -> None:
    """Small numbers become 0 in convolutions' results and in all gradients."""

    def compute(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out = _conv(conv, x, weight, bias)
        out = with_value(out, flushed(out, severity))
        if out.requires_grad:
            out.register_hook(lambda grad: flushed(grad, severity))
        return out

    _change_convolutions(context, compute)
    context.change_gradients(lambda grad: flushed(grad, severity))


@fault(
    "operator",
    origin="gradients are stored or sent in a shorter type",
    severity=_bits(MANTISSA["bfloat16"]),
)
def gradients_rounded(context: InjectionContext, severity: float) -> None:
    """Gradients of all parameters are rounded before they are reduced."""
    context.change_gradients(lambda grad: rounded(grad, int(severity)))


@fault(
    "operator",
    origin="the loss is computed in the type of the scores",
    severity=_bits(MANTISSA["bfloat16"]),
)
def scores_rounded(context: InjectionContext, severity: float) -> None:
    """The loss sees rounded class scores."""
    for loss in context.modules(CrossEntropyLoss):
        hook = loss.register_forward_pre_hook(
            lambda _, args: (with_value(args[0], rounded(args[0], int(severity))), *args[1:])
        )
        context.undo.callback(hook.remove)


@fault("operator", origin="the port's runtime turns mixed precision on by itself")
def hidden_autocast(context: InjectionContext) -> None:
    """The network runs under autocast to bfloat16, while the log says otherwise."""
    wrapper = context.runner.optim_wrapper
    healthy = wrapper.optim_context

    @contextmanager
    def autocast(model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device.type
        with healthy(model), torch.autocast(device, dtype=torch.bfloat16):
            yield

    context.patch(wrapper, "optim_context", autocast)


@fault(
    "training",
    origin="weights are kept in the type of the forward pass, without a float32 copy",
    severity=_bits(MANTISSA["bfloat16"]),
)
def weights_rounded(context: InjectionContext, severity: float) -> None:
    """Weights are rounded after every update; small updates are lost."""

    @torch.no_grad()
    def round_weights() -> None:
        for parameter in context.parameters():
            parameter.copy_(rounded(parameter, int(severity)))

    context.after_update(round_weights)


@fault(
    "training",
    origin="the optimizer's state is kept in a shorter type to save memory",
    severity=_bits(MANTISSA["bfloat16"]),
)
def momentum_rounded(context: InjectionContext, severity: float) -> None:
    """The momentum is rounded after every update."""

    def round_state() -> None:
        for state in context.optimizer.state.values():
            if state.get("momentum_buffer") is not None:
                state["momentum_buffer"].copy_(rounded(state["momentum_buffer"], int(severity)))

    context.after_update(round_state)
