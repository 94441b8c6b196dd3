"""Faults of single operators: normalisation, activation, padding, resampling, dropout.

Letters: N batch, C channel, H height, W width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault


@fault(
    "operator",
    origin="the port's default, or an epsilon added to the deviation instead of the variance",
    severity=Severity(default=1e-3, meaning="epsilon", low=0.0, high=10.0),
)
def batch_norm_eps(context: InjectionContext, severity: float) -> None:
    """Batch normalisation with another epsilon."""
    for norm in context.modules(nn.BatchNorm2d):
        context.patch(norm, "eps", severity)


@fault(
    "operator",
    origin="frameworks disagree on whether momentum is the share of the old or of the new value",
    severity=Severity(default=0.9, meaning="share of the new batch", low=0.0, high=1.0),
)
def batch_norm_momentum(context: InjectionContext, severity: float) -> None:
    """Running statistics of batch normalisation at another pace; evaluation alone uses them."""
    for norm in context.modules(nn.BatchNorm2d):
        context.patch(norm, "momentum", severity)


@fault("operator", origin="the port's kernel stores the variance it normalises with")
def batch_norm_biased(context: InjectionContext) -> None:
    """Running variances without Bessel's correction; evaluation alone uses them."""
    for norm in context.modules(nn.BatchNorm2d):
        context.patch(norm, "forward", _BiasedVariance(norm, context.world_size))


class _BiasedVariance:
    """The forward pass of a normalisation, after which the running variance is put wrong."""

    def __init__(self, norm: nn.BatchNorm2d, world_size: int) -> None:
        self.norm = norm
        self.world_size = world_size

    def __call__(self, x: Tensor) -> Tensor:
        norm, variance = self.norm, self.norm.running_var
        if not norm.training or variance is None:
            return type(norm).forward(norm, x)
        kept = variance * (1 - (norm.momentum or 0.0))
        out = type(norm).forward(norm, x)
        count = x.numel() // x.shape[1] * self.world_size
        # `data`: autograd keeps the buffer for a backward pass that does not read it
        variance.data.copy_(kept + (variance - kept) * ((count - 1) / count))
        return out


@fault("operator", origin="a graph exported in evaluation mode, or `norm_eval` set for fine-tuning")
def batch_norm_frozen(context: InjectionContext) -> None:
    """Batch normalisation by its running statistics, in training too."""
    for norm in context.modules(nn.BatchNorm2d):
        context.patch(norm, "train", _StaysInEvaluation(norm))


class _StaysInEvaluation:
    """A module's `train` that does not switch."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, _: bool = True) -> nn.Module:
        return nn.Module.train(self.module, False)


@fault(
    "operator", origin="a graph exported in evaluation mode, or a generator that is not wired up"
)
def dropout_absent(context: InjectionContext) -> None:
    """No dropout in training."""
    for dropout in context.modules(nn.Dropout2d):
        context.patch(dropout, "p", 0.0)


@fault("operator", origin="a dropout kernel written after the first paper, which scales in testing")
def dropout_unscaled(context: InjectionContext) -> None:
    """Dropout that does not scale what it keeps by 1 / (1 - p)."""
    for dropout in context.modules(nn.Dropout2d):
        share = 1.0 - dropout.p
        hook = dropout.register_forward_hook(
            lambda module, _, out, share=share: out * share if module.training else out
        )
        context.undo.callback(hook.remove)


@fault(
    "operator",
    origin="one kernel serves ReLU and leaky ReLU, and the slope is not cleared",
    severity=Severity(default=0.01, meaning="slope below zero", low=0.0, high=1.0),
)
def relu_leaks(context: InjectionContext, severity: float) -> None:
    """ReLU that lets a part of negative values through."""

    def leaky(x: Tensor, inplace: bool = False) -> Tensor:
        return F.leaky_relu(x, severity, inplace)

    context.patch(F, "relu", leaky)


@fault("operator", origin="padding 'SAME' of other frameworks, which pads right and bottom first")
def pooling_shifted(context: InjectionContext) -> None:
    """Max-pooling whose windows lie one pixel further right and down."""
    pool = context.model.backbone.maxpool

    def forward(x: Tensor) -> Tensor:
        padded = _pad_same(x, pool.kernel_size, pool.stride, value=-torch.inf)
        return F.max_pool2d(padded, pool.kernel_size, pool.stride)

    context.patch(pool, "forward", forward)


@fault("operator", origin="padding 'SAME' of other frameworks, which pads right and bottom first")
def strided_conv_shifted(context: InjectionContext) -> None:
    """Convolutions of stride 2 whose windows lie one pixel further right and down."""
    for conv in context.modules(nn.Conv2d):
        if conv.stride == (2, 2) and conv.kernel_size == (3, 3):
            context.patch(conv, "_conv_forward", _conv_same)


def _conv_same(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv2d(_pad_same(x, 3, 2), weight, bias, stride=2)


def _pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Returns `x` [N, C, H, W] padded to ceil(H / stride) windows, odd pixels right and below."""
    sides: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides, value=value)


@fault("operator", origin="a convolution kernel that takes dilation 1 for granted")
def dilation_ignored(context: InjectionContext) -> None:
    """Dilated convolutions are computed without dilation."""
    for conv in context.modules(nn.Conv2d):
        if conv.dilation != (1, 1):
            context.patch(conv, "_conv_forward", _Undilated(conv))


class _Undilated:
    """A 3x3 convolution of a module's stride, at dilation 1."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.stride = conv.stride

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, self.stride, padding=1)


@fault("operator", origin="an attribute of the resize operator that a converter drops")
def upsampling_align_corners(context: InjectionContext) -> None:
    """Bilinear upsampling with the other meaning of the corners."""
    interpolate = F.interpolate

    def other(x: Tensor, size: Any, *, mode: str, align_corners: bool) -> Tensor:
        return interpolate(x, size, mode=mode, align_corners=not align_corners)

    context.patch(F, "interpolate", other)


@fault("operator", origin="a device without bilinear resampling falls back without a word")
def upsampling_nearest(context: InjectionContext) -> None:
    """Upsampling to the nearest pixel instead of bilinear."""
    interpolate = F.interpolate

    def nearest(x: Tensor, size: Any, **_: Any) -> Tensor:
        return interpolate(x, size, mode="nearest")

    context.patch(F, "interpolate", nearest)


@fault("operator", origin="an index one beyond the border that is taken modulo the size")
def upsampling_wraps(context: InjectionContext) -> None:
    """Bilinear upsampling that mixes the pixels of opposite borders."""
    interpolate = F.interpolate

    def wrapped(x: Tensor, size: tuple[int, int], **options: Any) -> Tensor:
        height, width = size
        top, left = round(height / x.shape[2]), round(width / x.shape[3])
        ringed = F.pad(x, (1, 1, 1, 1), mode="circular")
        large = interpolate(ringed, (height + 2 * top, width + 2 * left), **options)
        return large[..., top : top + height, left : left + width]

    context.patch(F, "interpolate", wrapped)
