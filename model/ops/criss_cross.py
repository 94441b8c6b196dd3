"""Criss-cross attention for training: the same numbers as the reference, less time and memory.

Letters: N batch, C channel, D channel of query and key, H height, W width, S = H + W.

What is done, and why (figures: `python benchmarks/attention.py`):

- query, key and value come from one matrix product and lie in memory as [N, H, W, 2D + C], so that
  rows and columns are strided views and no branch copies them;
- `gamma` is folded into the value projection (`gamma * V(x) = (gamma * V)(x)`), so its gradient
  needs no tensor of the size of the image;
- only this product is kept for the backward pass; both attention maps are computed again there;
- the residual is where the products accumulate, so there is no separate addition.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def criss_cross_attention(
    x: Tensor,
    query: tuple[Tensor, Tensor],
    key: tuple[Tensor, Tensor],
    value: tuple[Tensor, Tensor],
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Return `x` [N, C, H, W] after `recurrence` rounds of attention with shared weights.

    `query` and `key` are the (weight [D, C, 1, 1], bias [D]) of 1x1 convolutions, `value` that of
    ([C, C, 1, 1], [C]); `gamma` is the 0-dim scale of the residual branch. Zero rounds return `x`.
    Under autocast everything is computed in autocast's dtype, but the softmax in float32. The
    result lies in memory as channels-last. It can be differentiated once.
    """
    if recurrence == 0:
        return x
    weight = torch.cat([query[0], key[0], gamma * value[0]]).flatten(1)
    bias = torch.cat([query[1], key[1], gamma * value[1]])
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    y = x.permute(0, 2, 3, 1)
    for _ in range(recurrence):
        y = _CrissCross.apply(y, weight, bias)
    return y.permute(0, 3, 1, 2)


class _CrissCross(torch.autograd.Function):
    """One round on channels-last tensors: x [N, H, W, C], weight [2D + C, C], bias [2D + C]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            projected = _project(x, weight, bias)
            out = x.clone(memory_format=torch.contiguous_format)
            for n in range(x.shape[0]):
                query, key, value = _split(projected[n], x.shape[3])
                _accumulate(out[n], _attention(query, key), value)
        ctx.save_for_backward(x, weight, projected)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, projected = ctx.saved_tensors
        channels = x.shape[3]
        with torch.autocast(x.device.type, enabled=False):
            grad_out = grad_out.contiguous()
            grad_projected = torch.empty_like(projected)
            for n in range(x.shape[0]):
                _backward_one(projected[n], grad_out[n], grad_projected[n])
            flat = grad_projected.flatten(0, 2)
            grad_x = torch.addmm(grad_out.reshape(-1, channels), flat, weight).view_as(grad_out)
            grad_weight = _flat_transposed_product(grad_projected, x)
            grad_bias = flat.sum(0)
        return grad_x, grad_weight, grad_bias


def _project(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return `x` [N, H, W, C] times `weight` [P, C] plus `bias` [P], contiguous [N, H, W, P].

    A channels-first `x` is read as it lies: the product takes it transposed, without a copy.
    """
    out = x.new_empty(*x.shape[:3], weight.shape[0])
    for n in range(x.shape[0]):
        torch.addmm(bias, x[n].flatten(0, 1), weight.t(), out=out[n].flatten(0, 1))
    return out


def _flat_transposed_product(grad: Tensor, x: Tensor) -> Tensor:
    """Return sum over pixels of `grad` [N, H, W, P] times `x` [N, H, W, C], as [P, C]."""
    out = grad[0].flatten(0, 1).t() @ x[0].flatten(0, 1)
    for n in range(1, x.shape[0]):
        torch.addmm(out, grad[n].flatten(0, 1).t(), x[n].flatten(0, 1), out=out)
    return out


def _split(projected: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the query, key [H, W, D] and value [H, W, C] parts of `projected` [H, W, 2D + C]."""
    width = (projected.shape[-1] - channels) // 2
    query, key, value = projected.split([width, width, channels], dim=-1)
    return query, key, value


def _attention(query: Tensor, key: Tensor) -> Tensor:
    """Return the weights [H, W, S] of query, key [H, W, D]: first the H of the column, then W.

    The softmax runs in float32 for half-precision inputs; the result has their dtype.
    """
    height, width, _ = query.shape
    energy = query.new_empty(height, width, height + width)
    in_column = energy[..., :height].transpose(0, 1)
    in_column.copy_(query.transpose(0, 1) @ key.permute(1, 2, 0))
    in_column.diagonal(dim1=1, dim2=2).fill_(-torch.inf)  # the row part has the centre
    energy[..., height:].copy_(query @ key.transpose(1, 2))
    if energy.dtype in (torch.float16, torch.bfloat16):
        return torch.softmax(energy, -1, dtype=torch.float32).to(energy.dtype)
    return torch.softmax(energy, -1)


def _accumulate(out: Tensor, attention: Tensor, value: Tensor) -> None:
    """Add to `out` [H, W, C] the mean of `value` [H, W, C] under `attention` [H, W, S]."""
    height = out.shape[0]
    torch.baddbmm(out, attention[..., height:], value, out=out)
    out.transpose(0, 1).add_(attention[..., :height].transpose(0, 1) @ value.transpose(0, 1))


def _backward_one(projected: Tensor, grad_out: Tensor, grad: Tensor) -> None:
    """Fill `grad` [H, W, 2D + C] with the gradient of `projected`, given that of the output."""
    height, _, channels = grad_out.shape
    query, key, value = _split(projected, channels)
    grad_query, grad_key, grad_value = _split(grad, channels)
    attention = _attention(query, key)
    in_column, in_row = attention[..., :height].transpose(0, 1), attention[..., height:]

    grad_value.copy_(in_row.transpose(1, 2) @ grad_out)
    grad_value.transpose(0, 1).add_(in_column.transpose(1, 2) @ grad_out.transpose(0, 1))

    energy_grad = torch.empty_like(attention)
    energy_grad[..., height:].copy_(grad_out @ value.transpose(1, 2))
    energy_grad[..., :height].transpose(0, 1).copy_(
        grad_out.transpose(0, 1) @ value.permute(1, 2, 0)
    )
    energy_grad = torch.ops.aten._softmax_backward_data(energy_grad, attention, -1, attention.dtype)
    column_grad, row_grad = energy_grad[..., :height].transpose(0, 1), energy_grad[..., height:]

    grad_query.copy_(row_grad @ key)
    grad_query.transpose(0, 1).add_(column_grad @ key.transpose(0, 1))
    grad_key.copy_(row_grad.transpose(1, 2) @ query)
    grad_key.transpose(0, 1).add_(column_grad.transpose(1, 2) @ query.transpose(0, 1))
