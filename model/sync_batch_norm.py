"""Batch normalisation over the batches of all processes, on any device.

torch's SyncBatchNorm refuses CPU tensors and knows few devices. This one needs all_gather and
all_reduce only; in a single process it is plain batch normalisation. Its keys are BatchNorm2d's.

Letters: N batch of this process, C channel, H height, W width, R processes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of [N, C, H, W] with the statistics of all processes in training."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises `x` [N, C, H, W]; every process must call this the same number of times."""
        if not (self.training and _world_size() > 1):
            return super().forward(x)
        if x.ndim != 4:
            raise ValueError(f"expected [N, C, H, W], got {tuple(x.shape)}")
        out, mean, variance, count = _SyncNormalise.apply(x, self.weight, self.bias, self.eps)
        self._track(mean, variance * (count / (count - 1)).to(variance.dtype))
        return out

    @torch.no_grad()
    def _track(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        """Moves the running statistics [C] towards those of this step."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased_variance.to(self.running_var.dtype), momentum)


def _world_size() -> int:
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


class _SyncNormalise(torch.autograd.Function):
    """Normalises x [N, C, H, W]; also returns the global mean [C], biased variance [C], count."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = x if x.dtype == torch.float64 else x.float()
        mean, variance, count = _global_statistics(wide)
        inverse_std = torch.rsqrt(variance + eps)
        out = F.batch_norm(wide, mean, variance, weight.to(wide), bias.to(wide), False, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse_std, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return out.to(x.dtype), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, inverse_std, count = ctx.saved_tensors
        grad = grad_out.to(mean.dtype)
        normalised = (x.to(mean.dtype) - _wide(mean)) * _wide(inverse_std)
        grad_bias = grad.sum((0, 2, 3))
        grad_weight = (grad * normalised).sum((0, 2, 3))
        sums = torch.cat([grad_bias, grad_weight])
        distributed.all_reduce(sums)
        mean_grad, mean_product = (sums / count.to(sums.dtype)).chunk(2)
        grad_x = grad - _wide(mean_grad) - normalised * _wide(mean_product)
        grad_x *= _wide(inverse_std * weight.to(mean.dtype))
        return grad_x.to(x.dtype), grad_weight.to(weight), grad_bias.to(weight), None


def _global_statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns mean [C], biased variance [C] and the 0-dim pixel count over all processes' `x`.

    Each process sends its own mean and variance; merging those loses no digits to cancellation,
    as a difference of summed squares would.
    """
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    local = torch.cat([mean, variance, mean.new_tensor([x.numel() / x.shape[1]])])
    gathered = [torch.empty_like(local) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, local)
    stacked = torch.stack(gathered)  # [R, 2C + 1]
    means, variances, counts = stacked.split([mean.numel(), mean.numel(), 1], dim=1)
    count = counts.sum()
    mean = (means * counts).sum(0) / count
    variance = ((variances + (means - mean) ** 2) * counts).sum(0) / count
    return mean, variance, count


def _wide(per_channel: Tensor) -> Tensor:
    """Returns [C] as [1, C, 1, 1]."""
    return per_channel[None, :, None, None]
